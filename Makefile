# make demo: train a detector on generated images, evaluate it and draw its detections.
# make test: lint, types and tests, in two processes of one thread each.
# make soak: the tests that take their time; most have a short form among the others.
# make test-onedl: the tests on the maintained fork of the MM libraries.
# make test-latest: the tests on the newest torch and torchvision.
# make gpu: measure on a GPU, into results/gpu; with the options in GPU="...".
# make gpu-rehearsal: the same at toy size on the CPU, into a temporary folder.
# make docs: the documentation's site, into site/.
# make dist: source archive and wheel, checked, into dist/.
# All start from Python, make and git alone.
VENV ?= .venv
PYTHON ?= python3
# of every library; tests/oldest.txt and /dev/null are others
CONSTRAINTS ?= constraints.txt

# options of mmresneskt gpu
GPU ?=

PYTEST = OMP_NUM_THREADS=1 $(1)/bin/python -m pytest -n 2 --dist loadfile

.PHONY: demo test soak gpu gpu-rehearsal test-onedl test-latest docs dist
demo: $(VENV)/ready
	$(VENV)/bin/mmresneskt demo

test: $(VENV)/tests
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports
# what mypy finds depends on the versions of the libraries
ifeq ($(CONSTRAINTS),constraints.txt)
	$(VENV)/bin/mypy
endif
	$(call PYTEST,$(VENV))

test-onedl: $(VENV)-onedl/ready
	$(call PYTEST,$(VENV)-onedl)

test-latest: $(VENV)-latest/ready
	$(call PYTEST,$(VENV)-latest)

soak: $(VENV)/tests
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest tests/soak

gpu: $(VENV)/ready
	$(VENV)/bin/mmresneskt gpu $(GPU)

gpu-rehearsal: $(VENV)/ready
	OMP_NUM_THREADS=1 $(VENV)/bin/mmresneskt gpu --rehearse --minutes 30

docs: $(VENV)-docs/ready
	NO_MKDOCS_2_WARNING=1 $(VENV)-docs/bin/mkdocs build --strict

dist: $(VENV)-dist/ready
	rm -rf dist
	$(VENV)-dist/bin/python -m build
	$(VENV)-dist/bin/twine check --strict dist/*
	$(VENV)-dist/bin/check-wheel-contents dist/*.whl

# The marker is written last: an interrupted installation starts again.
$(VENV)/ready: requirements.txt constraints.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install -r requirements.txt -c $(CONSTRAINTS)
	$(VENV)/bin/python -m pip install --no-build-isolation --no-deps -e .
	touch $@

$(VENV)/tests: $(VENV)/ready tests/requirements.txt
	$(VENV)/bin/python -m pip install -r tests/requirements.txt -c $(CONSTRAINTS)
	touch $@

$(VENV)-onedl/ready: tests/onedl.txt tests/requirements.txt constraints.txt pyproject.toml
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install "setuptools>=77,<82" wheel click
	$(@D)/bin/python -m pip install --no-build-isolation -r tests/onedl.txt -r tests/requirements.txt -c constraints.txt
	$(@D)/bin/python -m pip install --no-build-isolation --no-deps mmcv-lite==2.1.0 -e .
	touch $@

$(VENV)-latest/ready: requirements.txt tests/requirements.txt constraints.txt pyproject.toml
	$(PYTHON) -m venv $(@D)
	grep -v "^torch" constraints.txt > $(@D)/constraints.txt
	$(@D)/bin/python -m pip install --upgrade -r requirements.txt -r tests/requirements.txt -c $(@D)/constraints.txt
	$(@D)/bin/python -m pip install --no-build-isolation --no-deps -e .
	touch $@

$(VENV)-docs/ready: docs/requirements.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install -r docs/requirements.txt
	touch $@

$(VENV)-dist/ready: tests/dist.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install -r tests/dist.txt
	touch $@

# make demo: train a detector on generated images, evaluate it and draw its detections.
# make test: lint and tests, in two processes of one thread each.
# make soak: the tests that take their time; each has a short form among the others.
# All start from Python, make and git alone.
VENV ?= .venv
PYTHON ?= python3

.PHONY: demo test soak
demo: $(VENV)/ready
	$(VENV)/bin/python tools/demo.py

test: $(VENV)/ready
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n 2 --dist loadfile

soak: $(VENV)/ready
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest tests/soak

# The marker is written last: an interrupted installation starts again.
$(VENV)/ready: requirements.txt tests/requirements.txt constraints.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install -r requirements.txt -r tests/requirements.txt -c constraints.txt
	$(VENV)/bin/python -m pip install --no-build-isolation --no-deps -e .
	touch $@

"""``model-index.yml`` lists every config once, with the sizes and results that are its own."""

import json
import re
from pathlib import Path

import mmdet
import pytest
import yaml
from mmengine.logging import MMLogger
from modelindex.load_model_index import load

import mmresneskt
from mmresneskt.runtime.building import build
from mmresneskt.runtime.complexity import build_for_counting, complexity
from mmresneskt.runtime.config.load import load_config
from tests.support.helpers import ROOT, skip_without

INDEX = ROOT / "model-index.yml"
CONFIGS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "configs").glob("*.py"))
THEIRS = Path(mmdet.__file__).parent / ".mim"


def read(path):
    return yaml.safe_load(path.read_text())


METAFILES = [read(ROOT / path) for path in read(INDEX)["Import"]]
COLLECTIONS = [entry for file in METAFILES for entry in file["Collections"]]
MODELS = {entry["Config"]: entry for file in METAFILES for entry in file["Models"]}


def test_every_config_is_listed_once():
    listed = [entry["Config"] for file in METAFILES for entry in file["Models"]]
    assert sorted(listed) == CONFIGS, "configs/metafile.yml: add, remove or rename entries"


def test_names_are_unique_and_the_configs():
    assert [entry["Name"] for entry in MODELS.values()] == [Path(path).stem for path in MODELS]
    names = [entry["Name"] for entry in COLLECTIONS]
    assert len(set(names)) == len(names)
    assert {entry["In Collection"] for entry in MODELS.values()} == set(names)


def test_collections_name_an_architecture_a_readme_and_this_version():
    for entry in COLLECTIONS:
        assert entry["Metadata"]["Architecture"] == [entry["Name"]]
        assert (ROOT / entry["README"]).is_file()
        assert entry["Code"]["Version"] == f"v{mmresneskt.__version__}"
    (paper,) = [entry["Paper"] for entry in COLLECTIONS if "Paper" in entry]
    cited = read(ROOT / "CITATION.cff")["preferred-citation"]
    assert paper == {"Title": cited["title"]}


def test_the_fields_are_mmdetections():
    assert set(read(INDEX)) == set(read(THEIRS / "model-index.yml"))
    theirs = read(THEIRS / "configs" / "faster_rcnn" / "metafile.yml")
    for kind in ("Collections", "Models"):
        fields = {field for entry in theirs[kind] for field in entry}
        assert {field for file in METAFILES for entry in file[kind] for field in entry} <= fields


def test_the_model_zoo_tools_read_it():
    index = load(str(INDEX))
    assert [model.name for model in index.models] == [entry["Name"] for entry in MODELS.values()]
    assert all(model.full_model.readme == "README.md" for model in index.models)
    # paths start at the root as in MMDetection's; modelindex looks for this one beside the file
    problems = index.check(silent=True)
    assert [text for text in problems if "README.md is not a valid file" not in text] == []


@pytest.mark.parametrize("path", CONFIGS)
def test_parameters_are_the_configs(path):
    MMLogger.get_instance("mmengine", log_level="ERROR")  # timm's wrapper lists its features
    needed = re.findall(r'"(mm\w+)::', (ROOT / path).read_text())
    skip_without(*needed, *(["xtcocotools.mask"] if "mmpose" in needed else []))
    cfg = load_config(str(ROOT / path))
    found = sum(parameter.numel() for parameter in build(cfg, cfg.model).parameters())
    assert MODELS[path]["Metadata"]["Parameters"] == found


@pytest.mark.parametrize(
    ("name", "shape", "tolerance"),
    [
        ("resneskt_parcels10", (224, 224), 0),
        ("resneskt50_imagenet10", (224, 224), 0),
        ("faster_rcnn_resneskt_parcels", (800, 1280), 0.02),  # the number of proposals varies
    ],
)
def test_operations_are_the_counters(name, shape, tolerance):
    path = f"configs/{name}.py"
    found = complexity(build_for_counting(load_config(str(ROOT / path)), *shape), *shape)
    assert MODELS[path]["Metadata"]["FLOPs"] == pytest.approx(found.macs, rel=tolerance)


def test_results_are_those_measured_here():
    """A recipe's row is a config's result where the config is that recipe with that row."""
    rows = json.loads((ROOT / "results" / "table2_folder.json").read_text())["rows"]
    (measured,) = next(row for row in rows if row["row"] == "resneskt50")["measured"]
    (name,) = [entry["Name"] for entry in MODELS.values() if "Results" in entry]
    assert name == "resneskt50_folder"
    entry = MODELS[f"configs/{name}.py"]
    (result,) = entry["Results"]
    assert result["Metrics"] == {"Top 1 Accuracy": round(measured["top1"]["mean"], 2)}
    assert entry["Metadata"]["Epochs"] == measured["epochs"]
    assert not [entry["Name"] for entry in MODELS.values() if "Weights" in entry]

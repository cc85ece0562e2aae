"""A top-level name of a config has its effect wherever it is set, or the message says which has."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.config import Config

from mmresneskt.data.classes import set_classes, set_trained_classes
from mmresneskt.runtime.config.load import load_config
from mmresneskt.runtime.errors import UserError
from tests.support.helpers import ROOT, skip_without

CONFIGS = ROOT / "configs"
VOC = CONFIGS / "faster_rcnn_resneskt50_voc.py"
FOLDER = CONFIGS / "resneskt50_folder.py"
SMALL = CONFIGS / "_base_/small_detector.py"


def child(folder, base, text):
    file = folder / "child.py"
    file.write_text(f"_base_ = {str(base)!r}\n{text}\n")
    return str(file)


def by_hand(base, name, value):
    """The config as it is when the text itself has the other value."""
    lines = base.read_text().splitlines()
    changed = [f"{name} = {value!r}" if line.startswith(f"{name} = ") else line for line in lines]
    assert changed != lines
    file = base.with_name(f"changed_{base.name}")
    file.write_text("\n".join(changed))
    try:
        return Config.fromfile(file).to_dict()
    finally:
        file.unlink()


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.py")), ids=lambda path: path.stem)
def test_configs_without_more_said_are_mmengines(path):
    skip_without(*re.findall(r'"(mm\w+)::', path.read_text()))
    expected, found = Config.fromfile(path).to_dict(), load_config(str(path)).to_dict()
    for cfg in (expected, found):  # the dictionary that the loaders were built from, and no loader
        cfg.pop("folder", None)
    assert found == expected


@pytest.mark.parametrize(
    ("base", "name", "value"),
    [(VOC, "max_epochs", 1), (VOC, "scale", (64, 48)), (VOC, "data_root", "some/where")]
    + [(CONFIGS / "faster_rcnn_resneskt_parcels.py", "size", (96, 96))],
)
def test_a_name_counts_wherever_it_is_set(base, name, value, tmp_path):
    copy = tmp_path / "configs" / base.name
    (copy.parent / "_base_").mkdir(parents=True)
    copy.write_text(base.read_text())
    (copy.parent / "_base_/small_detector.py").write_text(SMALL.read_text())
    expected = by_hand(copy, name, value)
    assert load_config(child(tmp_path, base, f"{name} = {value!r}")).to_dict() == expected
    found = load_config(str(base), {name: value}).to_dict()
    for cfg in (found, expected):  # what only the loaders are built from
        cfg.pop("folder", None), cfg.pop("evaluated", None)
    assert found == expected


def test_the_last_word_counts(tmp_path):
    between = child(tmp_path, VOC, "max_epochs = 3\ndata_root = 'a'").replace("child", "between")
    (tmp_path / "child.py").rename(between)
    last = child(tmp_path, between, "max_epochs = 2 + 2\nscale = (32, 32)")
    for options, epochs in (({}, 4), ({"max_epochs": 5}, 5)):
        cfg = load_config(last, options)
        assert (cfg.train_cfg.max_epochs, cfg.param_scheduler[1].T_max) == (epochs, epochs)
        assert cfg.val_dataloader.dataset.data_root == "a"
        assert cfg.train_dataloader.dataset.pipeline[2].scale == (32, 32)
    assert load_config(last, {"data_root": "b"}).val_dataloader.dataset.data_root == "b"
    assert load_config(last, {"train_cfg.max_epochs": 6}).param_scheduler[1].T_max == 4


@settings(max_examples=15, deadline=None)
@given(epochs=st.integers(1, 30), size=st.integers(8, 300))
def test_a_recipe_for_any_length_and_size(epochs, size):
    cfg = load_config(str(FOLDER), {"max_epochs": epochs, "size": size})
    warm, fall = cfg.param_scheduler
    assert cfg.train_cfg.max_epochs == fall.end == epochs
    assert fall.T_max == max(1, fall.end - fall.begin) > 0
    assert cfg.val_dataloader.dataset.pipeline[2].crop_size == size


def test_classes_and_data_root_of_a_config_for_coco(tmp_path):
    path = child(tmp_path, SMALL, "data_root = '/data'\nclasses = ['cat', 'dog']")
    cfg = load_config(path)
    assert cfg.train_dataloader.dataset.data_root == "/data/"
    set_classes(cfg, None)
    assert cfg.train_dataloader.dataset.metainfo.classes == ["cat", "dog"]
    assert cfg.model.roi_head.bbox_head.num_classes == 2
    cfg = load_config(path)
    set_trained_classes(cfg, ("cat", "dog"))
    assert cfg.model.roi_head.bbox_head.num_classes == 2


@pytest.mark.parametrize(
    ("base", "name", "keys"),
    [
        (CONFIGS / "faster_rcnn_resneskt50.py", "max_epochs", "train_cfg.max_epochs"),
        (VOC, "lr", "optim_wrapper.optimizer.lr"),
        (VOC, "batch_size", "train_dataloader.batch_size, val_dataloader.batch_size"),
    ],
)
def test_a_name_without_effect_is_told_with_the_keys_that_have_it(base, name, keys, tmp_path):
    with pytest.raises(UserError, match=rf"--cfg-options {name}=3: nothing is built.*{keys}"):
        load_config(str(base), {name: 3})


def test_a_config_that_was_written_down_has_no_names_left(tmp_path):
    load_config(str(VOC)).dump(str(tmp_path / "dumped.py"))
    with pytest.raises(UserError, match=r"max_epochs=3: nothing .*: train_cfg\.max_epochs"):
        load_config(str(tmp_path / "dumped.py"), {"max_epochs": 3})
    cfg = load_config(str(tmp_path / "dumped.py"), {"data_root": "b"})
    assert cfg.train_dataloader.dataset.data_root == "b"


def test_a_value_that_nothing_can_be_built_from():
    with pytest.raises(UserError, match=r"folder\.py cannot be read with size=x: "):
        load_config(str(FOLDER), {"size": "x"})

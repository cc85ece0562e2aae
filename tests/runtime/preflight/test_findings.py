"""``tools/check.py``: mistakes are named with their keys, and nothing else is."""

import json
import re

import pytest
import torch
from mmengine.config import Config

from mmresneskt.runtime.config.keywords import keywords
from mmresneskt.runtime.config.load import load_config
from mmresneskt.runtime.config.tree import nodes, settings
from mmresneskt.runtime.preflight import find_problems, missing_data
from mmresneskt.runtime.preflight.build import unbuildable
from mmresneskt.runtime.preflight.disk import room_for_checkpoints
from tests.support.check_config_mistakes import make_data, named
from tests.support.config_mistakes import mistakes
from tests.support.helpers import ROOT, run_tool

ZOO = (
    "mmdet::retinanet/retinanet_r50_fpn_1x_coco.py",
    "mmdet::yolo/yolov3_d53_8xb8-320-273e_coco.py",
    "mmpretrain::resnest/resnest50_32xb64_in1k.py",
)


@pytest.mark.parametrize("name", ["faster_rcnn_resneskt50.py", "resneskt50_imagenet1k.py", *ZOO])
def test_configs_lack_their_data_and_nothing_else(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cfg = load_config(name if "::" in name else str(ROOT / "configs" / name))
    found = [f for f in find_problems(cfg, ("train", "val", "test")) if f.level != "note"]
    assert found
    assert all(re.search(r" is missing \(|GiB free", str(f)) for f in found), found


def test_mistakes_are_named_with_their_keys(tmp_path, monkeypatch):
    make_data(tmp_path)
    monkeypatch.chdir(tmp_path)
    missed = [result for mistake in mistakes(200)[:6] if (result := named(mistake))]
    assert not missed


@pytest.mark.parametrize("kind", ["Mosaic", "MixUp", "CachedMosaic"])
def test_a_transform_that_mixes_images_needs_a_dataset_that_gives_them(kind):
    cfg = load_config("mmdet::yolox/yolox_s_8xb8-300e_coco.py")
    loader = cfg.train_dataloader
    assert loader.dataset.type == "MultiImageMixDataset"
    assert not list(unbuildable(cfg))
    loader.dataset = dict(loader.dataset.dataset)
    loader.dataset.pipeline.append(dict(type=kind, img_scale=(640, 640)))
    found = list(unbuildable(cfg))
    if kind.startswith("Cached"):  # it keeps the images that it has seen
        assert not found
    else:
        [finding] = found
        assert finding.key == "train_dataloader.dataset.pipeline.2"
        assert "Make train_dataloader.dataset a MultiImageMixDataset" in finding.message


class Parent:
    def __init__(self, one, two=2):
        pass


class PassesOn(Parent):
    def __init__(self, three, **rest):
        super().__init__(**rest)


class Keeps(Parent):
    def __init__(self, three, **rest):
        self.rest = rest
        super().__init__(**rest)


class NamesItself(Parent):
    def __init__(self, three, **rest):
        super(NamesItself, self).__init__(**rest)  # noqa: UP008


class PassesOver(PassesOn):
    def __init__(self, **rest):
        super(PassesOn, self).__init__(**rest)


def test_what_a_constructor_takes():
    assert set(keywords(PassesOn)) == set(keywords(NamesItself)) == {"one", "two", "three"}
    assert keywords(PassesOver) is None  # it has no "three"
    assert keywords(Keeps) is None
    assert keywords(torch.nn.Conv2d)["stride"].default == 1


def test_what_is_in_a_config_comes_with_its_key_outer_first():
    cfg = Config(dict(a=1, b=dict(c=[dict(d=(2, 3)), 4], e=dict())))
    assert [key for key, _ in nodes(cfg)] == ["", "b", "b.c.0", "b.e"]
    assert dict(settings(cfg)) == {"a": 1, "b.c": cfg.b.c, "b.c.0.d": (2, 3)}
    for key, node in nodes(cfg):  # what is put in on the way is walked too
        if key == "b":
            node.c = []
            node.f = dict()
    assert [key for key, _ in nodes(cfg)] == ["", "b", "b.e", "b.f"]


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("faster_rcnn_resneskt50_voc", "a list of image names in a folder like Pascal VOC's"),
        ("faster_rcnn_resneskt50", "https://cocodataset.org"),
        ("resneskt50_imagenet10", "made by `mmresneskt prepare-imagenet10`"),
        ("resneskt50_folder", "a folder of class folders"),
        ("faster_rcnn_resneskt_parcels", None),
        ("resneskt_parcels10", None),
    ],
)
def test_missing_data_is_told_with_its_source(name, source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = list(missing_data(load_config(str(ROOT / f"configs/{name}.py")), ("train", "val")))
    assert len(found) == (source is not None)
    assert all(source in finding.message for finding in found)


def test_room_for_checkpoints(tmp_path):
    model = torch.nn.Linear(1000, 1000)
    hook = dict(interval=1, max_keep_ckpts=3)
    optimizer = dict(optimizer=dict(type="AdamW"))
    train = dict(max_epochs=10)
    cfg = dict(work_dir=str(tmp_path / "new"), optim_wrapper=optimizer, train_cfg=train)
    cfg = Config(dict(cfg, default_hooks=dict(checkpoint=hook)))
    assert not list(room_for_checkpoints(cfg, model))
    # of an exabyte of weights, no disk has room for one
    huge = torch.nn.Linear(2**29, 2**28, device="meta")
    [problem] = room_for_checkpoints(cfg, huge)
    assert problem.level == "error"
    assert "--work-dir" in problem.message


def test_the_command_line(tmp_path):
    make_data(tmp_path)
    config = ROOT / "configs/faster_rcnn_resneskt50_voc.py"
    xml = (tmp_path / "data/VOC/Annotations/a.xml").read_text()
    outside = xml.replace("<xmax>40</xmax>", "<xmax>400</xmax>")
    (tmp_path / "data/VOC/Annotations/a.xml").write_text(outside)
    done = run_tool("check", config, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["errors"] == []
    assert any("reach out of their image" in w["message"] for w in document["warnings"])
    wrong = ["model.bakbone=1", "train_dataloader.batch_size=0"]
    done = run_tool("check", config, "--cfg-options", *wrong, cwd=tmp_path)
    assert done.returncode == 2, done.stdout
    assert "error: model.bakbone: FasterRCNN has no argument 'bakbone'. Did you mean backbone?" in (
        done.stdout
    )
    assert "error: train_dataloader.batch_size: 0 is not allowed" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("2 errors, 0 warnings") or "warning" in done.stdout

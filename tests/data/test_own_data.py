"""From what was found to a config: drawn splits, files, and what follows from the data."""

import itertools
import json
import tempfile
from pathlib import Path

import huggingface_hub.constants
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.datasets import CocoDataset
from mmengine.config import Config
from mmpretrain.datasets import CustomDataset

from mmresneskt.data.detection import VOCFolderDataset
from mmresneskt.data.layouts import find_data
from mmresneskt.data.own_data.classifier import classifier_config
from mmresneskt.data.own_data.detector import detector_config
from mmresneskt.data.own_data.files import write_splits
from mmresneskt.data.own_data.recipe import Wishes
from mmresneskt.data.own_data.splits import complete_splits
from mmresneskt.data.own_data.summary import summary
from mmresneskt.data.own_data.weights import with_weights
from mmresneskt.runtime.errors import UserError
from tests.support import layouts, voc_folder
from tests.support.layouts import Example, save

NAMES = ["cat", "dog"]
SCRATCH = "resneskt50:none"


def examples(count, split="", side=(64, 48), box=(8, 8, 30, 30)):
    return [Example(split, f"{split}{i}", side, [(NAMES[i % 2], *box)]) for i in range(count)]


def stems(pictures):
    return {picture.path.stem for picture in pictures}


@given(
    count=st.integers(1, 40),
    labels=st.lists(st.integers(0, 5), min_size=40, max_size=40),
    added=st.integers(0, 10),
)
@settings(max_examples=20, deadline=None)
def test_a_draw_is_complete_disjoint_kept_and_leaves_each_class_in_train(count, labels, added):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for index in range(count):
            name = f"kind {labels[index]}"
            layouts.voc_beside(root, [Example("", f"{index}", (8, 8), [(name, 1, 1, 5, 5)])], ())
        found = find_data(root)
        try:
            splits, drawn = complete_splits(found, {})
        except UserError:  # every image is the only one of its class
            assert count <= 6
            assert len(set(labels[:count])) == count
            return
        assert complete_splits(find_data(root), {})[1] == drawn
        for index in range(count, count + added):
            layouts.voc_beside(root, [Example("", f"{index}", (8, 8), [("new", 1, 1, 5, 5)])], ())
        later = complete_splits(find_data(root), drawn)[1]
    assert len(drawn) == count
    assert drawn.items() <= later.items()
    assert sum(map(len, {id(s): s for s in splits.values()}.values())) == count
    everywhere = {name for split in splits.values() for p in split for name in p.names()}
    assert {name for p in splits["train"] for name in p.names()} == everywhere
    assert len(splits["val"]) == max(1, round(0.15 * count)) or len(set(labels)) > 1


@pytest.mark.parametrize(
    ("given_splits", "drawn", "test_is_val"),
    [
        (("train", "val", "test"), set(), False),
        (("train", "val"), set(), True),
        (("train", "test"), {"val"}, False),
        (("train",), {"val", "test"}, False),
        (("",), {"val", "test"}, False),
        (("", "val"), set(), True),
    ],
)
def test_only_what_is_missing_is_drawn(tmp_path, given_splits, drawn, test_is_val):
    for split in given_splits:
        layouts.coco_cvat(tmp_path, examples(12, split), NAMES)
    found = find_data(tmp_path)
    splits, kept = complete_splits(found, {})
    assert set(kept.values()) == (drawn | {"train"} if drawn else set())
    assert (splits["test"] is splits["val"]) == test_is_val
    for split in ("val", "test"):
        if split in given_splits:
            assert stems(splits[split]) == {f"{split}{i}" for i in range(12)}
    assert ("drawn from the others" in summary(found, splits)) == bool(drawn)


@pytest.mark.parametrize("with_objects", itertools.combinations(range(6), 3), ids=str)
def test_every_drawn_split_has_an_object(tmp_path, with_objects):
    its = [e if i in with_objects else e._replace(boxes=[]) for i, e in enumerate(examples(6))]
    its = [e._replace(boxes=[("cat", *box[1:]) for box in e.boxes]) for e in its]
    layouts.coco_cvat(tmp_path, its, NAMES)
    splits, _ = complete_splits(find_data(tmp_path), {})
    assert [sum(len(p.names()) for p in its) for its in splits.values()] == [1, 1, 1]


def test_a_class_that_a_split_lacks_is_named(tmp_path):
    for split, name in (("train", "dog"), ("train", "ant"), ("val", "dog")):
        image = Example(split, f"{split}{name}", (40, 30), [(name, 1, 1, 9, 9)])
        layouts.voc_beside(tmp_path / split, [image], ())
    found = find_data(tmp_path)
    text = summary(found, complete_splits(found, {})[0])
    assert "note: nothing in val is of the class 'ant'" in text
    assert "nothing in train" not in text


def test_images_without_a_split_to_train_on_are_told_of(tmp_path):
    layouts.coco_cvat(tmp_path, examples(3, "val"), NAMES)
    with pytest.raises(UserError, match="images in val, and none in train"):
        complete_splits(find_data(tmp_path), {})


@given(seed=st.integers(0, 2**16), count=st.integers(2, 5))
@settings(max_examples=5, deadline=None)
def test_mmdetection_reads_the_same_boxes_as_from_pascal_voc_itself(seed, count):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "data")
        for index in range(count):
            left, top = (seed >> 3) % 20 + index, seed % 17
            objects = [("dog", index % 2, left + 1, top + 1, left + 9, top + 8)] * (index + 1)
            voc_folder.write(root, f"i{index}", [*objects, ("cat", 0, 1, 1, 64, 48)])
        for split in ("train", "val"):
            text = "".join(
                f"i{index}\n" for index in range(count) if (index > 0) != (split == "val")
            )
            (root / f"ImageSets/Main/{split}.txt").write_text(text)
        _, files = write_splits(find_data(root), Path(folder, "work"))
        metainfo = dict(classes=("cat", "dog"))
        options = dict(data_root=str(root), metainfo=metainfo, pipeline=[])
        for split in ("train", "val"):
            mine = CocoDataset(ann_file=str(files[split]), data_prefix=dict(img=""), **options)
            theirs = VOCFolderDataset(
                ann_file=f"ImageSets/Main/{split}.txt",
                data_prefix=dict(sub_data_root=""),
                **options,
            )
            assert len(mine) == len(theirs)
            for a, b in zip(mine, theirs):
                assert Path(a["img_path"]) == Path(b["img_path"])
                assert (a["width"], a["height"]) == (b["width"], b["height"])
                assert a["instances"] == b["instances"]


def test_mmpretrain_reads_the_same_classes_as_from_the_folders(tmp_path):
    for split in ("train", "val"):
        its = [e._replace(stem=f" {e.stem} 1") for e in examples(6, split)]
        layouts.class_folders(tmp_path / "data", its, NAMES)
    found = find_data(tmp_path / "data")
    splits, files = write_splits(found, tmp_path / "work")
    cfg = classifier_config(found, splits, files, Wishes(SCRATCH))
    folders = CustomDataset(data_root=str(tmp_path / "data"), data_prefix="train")
    part = cfg.train_dataloader.dataset
    mine = CustomDataset(data_root=part.data_root, ann_file=part.ann_file, metainfo=part.metainfo)
    assert list(mine.CLASSES) == list(folders.CLASSES) == NAMES

    def labels(data):
        return {(Path(d["img_path"]).resolve(), int(d["gt_label"])) for d in data}

    assert labels(mine) == labels(folders)
    assert cfg.model.head.num_classes == 2


def config(tmp_path, its, **wishes):
    layouts.coco_cvat(tmp_path / "data", its, NAMES)
    found = find_data(tmp_path / "data")
    splits, files = write_splits(found, tmp_path / "work")
    return detector_config(found, splits, files, Wishes(**dict(dict(backbone=SCRATCH), **wishes)))


def anchors(cfg):
    generator = (cfg.model.get("rpn_head") or cfg.model.bbox_head).anchor_generator
    return generator.get("scales") or generator.octave_base_scale, list(generator.ratios)


def test_a_detector_follows_from_the_data(tmp_path):
    cfg = config(tmp_path, examples(20), batch=8, epochs=3, size=64)
    assert cfg.model.roi_head.bbox_head.num_classes == 2
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(4e-4)  # 2e-4 at 2 images, by the root
    assert cfg.train_cfg.max_epochs == 3
    assert cfg.train_pipeline[2]["scale"] == (64, 64)
    assert anchors(cfg) == ([4], [0.5, 1.0, 2.0])  # boxes of 30 pixels, anchors from 16 on
    assert cfg.train_dataloader.dataset.metainfo.classes == NAMES
    assert {
        Path(cfg[f"{s}_dataloader"].dataset.ann_file).name for s in ("train", "val", "test")
    } == {
        "train.json",
        "val.json",
        "test.json",
    }
    written = tmp_path / "again.py"
    written.write_text(cfg.pretty_text)
    assert Config.fromfile(written).to_dict() == cfg.to_dict()


def test_sizes_and_epochs_have_bounds(tmp_path):
    cfg = config(tmp_path, examples(20, side=(1000, 700)))
    assert cfg.train_pipeline[2]["scale"] in ((320, 320), (640, 640))
    assert cfg.train_cfg.max_epochs == 100
    assert cfg.train_cfg.val_interval == 25


def test_slender_boxes_get_slender_anchors_where_the_method_lets_them(tmp_path):
    its = examples(20, box=(1, 1, 40, 8))
    retina = config(
        tmp_path, its, detector="mmdet::retinanet/retinanet_r50_fpn_1x_coco.py", size=64
    )
    assert anchors(retina) == (2, [0.25, 0.5, 1.0, 2.0])
    assert retina.optim_wrapper.optimizer.lr == pytest.approx(0.01 * 2 / 16)
    atss = config(tmp_path, its, detector="mmdet::atss/atss_r50_fpn_1x_coco.py", size=64)
    assert anchors(atss)[1] == [1.0]


@pytest.mark.parametrize(("batch", "kept"), [(2, True), (8, False)])
def test_norms_keep_the_statistics_of_weights_in_small_batches(tmp_path, batch, kept):
    weights = tmp_path / "w.pth"
    weights.touch()
    cfg = config(tmp_path, examples(20), backbone=f"resneskt50:{weights}", batch=batch)
    assert cfg.model.backbone.init_cfg.checkpoint == str(weights)
    assert cfg.model.backbone.norm_eval is kept


def test_where_weights_cannot_be_had_is_said_in_a_line(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delenv("RESNEST50_FAST", raising=False)

    def unreachable(*args, **options):
        raise OSError("no network")

    monkeypatch.setattr("mmresneskt.runtime.checkpoint.schemes.urlopen", unreachable)
    name, line = with_weights("resneskt50")
    assert name == SCRATCH
    assert "from scratch" in line
    assert "RESNEST50_FAST" in line
    assert "\n" not in line
    assert with_weights("resneskt50:x.pth")[0] == "resneskt50:x.pth"
    monkeypatch.setenv("RESNEST50_FAST", str(tmp_path / "nowhere.pth"))
    with pytest.raises(UserError, match=r"RESNEST50_FAST=.*nowhere.pth does not exist"):
        with_weights("resneskt50")
    (tmp_path / "nowhere.pth").touch()
    assert with_weights("resneskt50")[0] == f"resneskt50:{tmp_path}/nowhere.pth"
    with pytest.raises(UserError, match="Did you mean resneskt50"):
        with_weights("resneskt5")


def test_where_weights_of_timm_cannot_be_had_is_said_in_a_line(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    name, line = with_weights("timm:resnet18")
    assert name == "timm:resnet18:none"
    assert "from scratch, since timm://resnet18 cannot be downloaded" in line
    assert with_weights("timm:resnet18:x.pth")[0] == "timm:resnet18:x.pth"
    assert with_weights("timm:resneskt50")[0] == "timm:resneskt50:none"  # there are none
    with pytest.raises(UserError, match="Did you mean resnet51q"):
        with_weights("timm:resnet51")


def test_classes_take_no_detector(tmp_path):
    for name in NAMES:
        for index in range(3):
            save(tmp_path / "data" / name / f"{index}.png", (40, 30))
    found = find_data(tmp_path / "data")
    splits, files = write_splits(found, tmp_path / "work")
    with pytest.raises(UserError, match="leave it out, and a classifier is trained"):
        classifier_config(found, splits, files, Wishes(SCRATCH, detector="mmdet::x.py"))


def test_a_class_of_crowds_alone_is_not_written(tmp_path):
    its = examples(8)
    its[0] = its[0]._replace(boxes=[*its[0].boxes, ("ant", 8, 8, 30, 30)])
    content = layouts.document(its, [*NAMES, "ant"])
    content["annotations"][1]["iscrowd"] = 1
    layouts.write(tmp_path / "data/x.json", content)
    for e in its:
        save(tmp_path / "data" / e.name, e.size)
    _, files = write_splits(find_data(tmp_path / "data"), tmp_path / "work")
    assert [c["name"] for c in json.loads(files["train"].read_text())["categories"]] == NAMES


def test_files_of_a_split_are_whole_coco_files(tmp_path):
    layouts.coco_cvat(tmp_path / "data", examples(8), NAMES)
    _, files = write_splits(find_data(tmp_path / "data"), tmp_path / "work")
    content = json.loads(files["train"].read_text())
    assert [c["name"] for c in content["categories"]] == NAMES
    assert [a["id"] for a in content["annotations"]] == [*range(1, 7)]
    assert all((tmp_path / "data" / i["file_name"]).is_file() for i in content["images"])
    assert {a["iscrowd"] for a in content["annotations"]} == {0}

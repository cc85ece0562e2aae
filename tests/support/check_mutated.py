"""What must hold of every damaged input, asked by the short tests and the long ones alike."""

import json

import numpy as np
from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope

from mmresneskt.runtime.broken_images import Budget, Skips, guard
from mmresneskt.runtime.decoding import CorruptImage, decode_image
from mmresneskt.runtime.preflight.datasets import annotation_problems, dataset_problems
from mmresneskt.runtime.preflight.findings import Finding
from tests.support.image_files import folder_with
from tests.support.mutations import mutated_jpeg, mutated_json, mutated_xml, photograph, seeded
from tests.support.voc_folder import write

PIPELINE = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", with_bbox=True, with_mask=True),
    dict(type="Resize", scale=(64, 48), keep_ratio=True),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackDetInputs"),
]


def coco_tree(root):
    """A folder with COCO annotations, and a config for it."""
    folder_with(root, broken="")
    content = json.loads((root / "coco.json").read_text())
    for annotation in content["annotations"]:
        annotation["segmentation"] = [[5, 5, 25, 5, 25, 25]]
        if annotation["id"] % 3 == 0:
            annotation["iscrowd"] = 1
            annotation["segmentation"] = dict(counts=[100, 64 * 48 - 100], size=[48, 64])
    (root / "coco.json").write_text(json.dumps(content))
    dataset = dict(
        type="CocoDataset",
        ann_file=str(root / "coco.json"),
        data_prefix=dict(img=str(root / "images")),
        metainfo=dict(classes=("x",)),
        filter_cfg=dict(filter_empty_gt=True, min_size=32),
        pipeline=PIPELINE,
    )
    return _config(dataset), root / "coco.json"


def voc_tree(root):
    """A folder in VOC's layout, and a config for it."""
    for name in ("a", "b"):
        write(root, name, [("dog", 0, 10, 8, 40, 40), ("cat", 1, 3, 3, 30, 30)])
    (root / "train.txt").write_text("a\nb\n")
    dataset = dict(
        type="VOCFolderDataset",
        data_root=str(root),
        ann_file="train.txt",
        data_prefix=dict(sub_data_root=""),
        pipeline=[PIPELINE[0], dict(type="LoadAnnotations", with_bbox=True), *PIPELINE[2:]],
    )
    return _config(dataset), root / "Annotations/a.xml"


def _config(dataset):
    custom = dict(imports=["mmresneskt.data.detection"])
    loader = dict(batch_size=1, num_workers=0, dataset=dataset)
    return Config(dict(default_scope="mmdet", custom_imports=custom, train_dataloader=loader))


def try_annotations(cfg, file, good, seed):
    """Damage the file; it is refused by a message, or every sample of it can be read.

    Returns "refused" or "usable".
    """
    mutate = mutated_json if file.suffix == ".json" else mutated_xml
    file.write_bytes(mutate(good, seeded(seed)))
    findings = list(annotation_problems(cfg, ("train",)))
    if not _errors(findings):
        findings += dataset_problems(cfg, ("train",))
    assert all(0 < len(str(f)) < 3000 and "Traceback" not in str(f) for f in findings), findings
    if _errors(findings):
        assert all(f.key.startswith("train_dataloader") for f in findings), findings
        return "refused"
    with DefaultScope.overwrite_default_scope("mmdet"):
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
        for index in range(len(dataset)):
            boxes = dataset[index]["data_samples"].gt_instances.bboxes
            assert np.isfinite(boxes.numpy()).all()
    return "usable"


def try_image(seed):
    """Damage a photograph; it is decoded, or skipped by the loader for one reason.

    Returns "decoded" or "skipped".
    """
    rng = seeded(seed)
    data = mutated_jpeg(photograph(rng), rng)
    try:
        image = decode_image(data)
    except CorruptImage as failure:
        message = str(failure)
    else:
        message = ""
    if message:
        assert len(message) < 300
        return "skipped"
    assert image.ndim == 3
    assert image.dtype == np.uint8
    return "decoded"


def skipped_by_a_loader(root, seeds):
    """How many of the damaged photographs a training dataset passes over."""
    for seed in seeds:
        rng = seeded(seed)
        (root / f"{seed}.jpg").write_bytes(mutated_jpeg(photograph(rng), rng))
    (root / "good.jpg").write_bytes(photograph(seeded(0)))
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        dataset = DATASETS.build(
            dict(type="CustomDataset", data_root=str(root), with_label=False, pipeline=PIPELINE[:1])
        )
    guard(dataset, Skips(root.parent / "skips", Budget("100%"), len(dataset)))
    for index in range(len(dataset)):
        assert dataset[index]["img"].ndim == 3
    return len((root.parent / "skips").read_text().splitlines())


def _errors(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.level == "error"]

"""Every classification config and every row of Tables 1 and 2 builds, and trains one step."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DATASETS, MODELS, PARAM_SCHEDULERS, DefaultScope
from mmpretrain.structures import DataSample
from torch import nn

from mmresneskt import ResNeSkt
from mmresneskt.data.classes import set_classes
from mmresneskt.paper.classification_table import row_config, run_config
from mmresneskt.paper.peers import PEERS
from mmresneskt.paper.schedule import set_epochs
from mmresneskt.paper.tables import TABLES
from mmresneskt.runtime.config.load import load_config
from mmresneskt.runtime.errors import UserError
from tests.support.helpers import ROOT

CONFIGS = ROOT / "configs"
FOLDER = CONFIGS / "resneskt50_folder.py"
IMAGENET1K = CONFIGS / "resneskt50_imagenet1k.py"
ROWS = {row.name: row for rows in TABLES.values() for row in rows}
OTHERS = [FOLDER, IMAGENET1K, CONFIGS / "resneskt_parcels10.py"]


@pytest.fixture(autouse=True)
def _mmpretrain():
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        yield


def test_there_is_a_config_or_a_peer_for_every_row_and_a_row_for_each():
    ours = [path.stem.removesuffix("_imagenet10") for path in CONFIGS.glob("*_imagenet10.py")]
    assert sorted([*ours, *PEERS]) == sorted(ROWS)


@pytest.mark.parametrize("what", [*ROWS, *OTHERS], ids=lambda what: getattr(what, "stem", what))
def test_trains_one_step(what):
    torch.manual_seed(0)
    cfg = row_config(what) if what in ROWS else load_config(str(what))
    model = MODELS.build({**cfg.model, "data_preprocessor": cfg.data_preprocessor})
    model.init_weights()
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    before = model.head.fc.weight.detach().clone()
    data = dict(
        inputs=[torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8) for _ in range(2)],
        data_samples=[DataSample().set_gt_label(label) for label in (0, 9)],
    )
    losses = model.train().train_step(data, wrapper)
    assert losses["loss"].isfinite()
    assert not torch.equal(model.head.fc.weight, before)
    with torch.no_grad():
        prediction = model.eval().val_step(data)[0]
    assert prediction.pred_score.shape == (1000 if what == IMAGENET1K else 10,)


@pytest.mark.parametrize("name", list(ROWS))
def test_the_papers_protocol(name):
    cfg = row_config(name)
    assert cfg.train_dataloader.batch_size == 8
    assert cfg.train_cfg.max_epochs == 100
    optimizer = cfg.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.momentum, optimizer.weight_decay) == ("SGD", 0.9, 1e-4)
    assert "RandomFlip" not in str(cfg.train_dataloader)
    assert cfg.train_dataloader.dataset.pipeline == cfg.test_dataloader.dataset.pipeline
    assert rates(cfg) == pytest.approx([1e-3] * 50 + [1e-4] * 50)


def rates(cfg, iterations=10):
    """The learning rate of each epoch's last iteration, by the config's own schedulers."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], cfg.optim_wrapper.optimizer.lr)
    by_epoch, by_iteration = [], []
    for scheduler in cfg.param_scheduler:
        options = dict(scheduler, optimizer=optimizer)
        kind = PARAM_SCHEDULERS.get(options.pop("type"))
        if options.pop("convert_to_iter_based", False):
            built = kind.build_iter_from_epoch(**options, epoch_length=iterations)
            by_iteration.append(built)
        else:
            by_epoch.append(kind(**options))
    found = []
    for _ in range(cfg.train_cfg.max_epochs):
        for _ in range(iterations):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            for scheduler in by_iteration:
                scheduler.step()
        for scheduler in by_epoch:
            scheduler.step()
    return found[iterations - 1 :: iterations]


def test_a_schedule_is_scaled_to_other_epochs():
    cfg = run_config(ROWS["resnet50"], "imagenet10", epochs=4)
    assert rates(cfg) == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4])
    whole = rates(run_config(ROWS["resnet50"], "folder"), iterations=20)
    assert whole[0] == pytest.approx(0.025)
    assert whole[-1] < 2e-4
    double = rates(run_config(ROWS["resnet50"], "folder", epochs=2 * len(whole)), iterations=10)
    assert double[1::2] == pytest.approx(whole, abs=1e-4)
    assert 0 < rates(run_config(ROWS["resnet50"], "folder", epochs=1))[0] < 0.025


@pytest.mark.parametrize(("epochs", "at_1e_3"), [(1, 1), (2, 1), (3, 2), (5, 3), (20, 10)])
def test_halves_are_rounded_up(epochs, at_1e_3):
    cfg = run_config(ROWS["resnet50"], "imagenet10", epochs=epochs)
    assert rates(cfg) == pytest.approx([1e-3] * at_1e_3 + [1e-4] * (epochs - at_1e_3))


def test_mmengines_own_defaults_are_left_and_what_cannot_be_scaled_is_an_error():
    cfg = load_config(str(FOLDER))
    cfg.param_scheduler = [dict(type="CosineAnnealingLR", T_max=None, end=None)]
    set_epochs(cfg, 2)
    assert cfg.param_scheduler == [dict(type="CosineAnnealingLR", T_max=None, end=None)]
    cfg.param_scheduler = [dict(type="LinearLR", end=float("inf"))]
    set_epochs(cfg, 3)
    cfg.param_scheduler = dict(type="StepLR", step_size=4)
    with pytest.raises(UserError, match="StepLR.step_size of .* cannot be scaled"):
        set_epochs(cfg, 2)


def test_iterations_are_not_scaled():
    cfg = load_config(str(FOLDER))
    cfg.param_scheduler = dict(type="LinearLR", by_epoch=False, begin=0, end=50)
    set_epochs(cfg, 2)
    assert cfg.param_scheduler[0].end == 50


def test_the_recipe_for_a_gpu_is_larger_and_longer():
    cfg = run_config(ROWS["resnet50"], "folder_gpu")
    assert len(rates(cfg)) == 20
    assert cfg.param_scheduler[1].T_max == 19
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.val_cfg.train_dataloader):
        crop = next(t for t in loader.dataset.pipeline if t.type == "CenterCrop")
        assert crop.crop_size == 128


def test_depth_and_form_are_the_rows():
    for name, depth, spatial, cardinality in (
        ("resneskt50", 50, True, 1),
        ("resneskt200", 200, True, 1),
        ("resnest101", 101, False, 1),
        ("resneskt101_2s32x4d", 101, True, 32),
    ):
        backbone = MODELS.build(row_config(name).model.backbone)
        assert type(backbone) is ResNeSkt
        assert backbone.depth == depth
        assert any("spatial_attention" in n for n, _ in backbone.named_modules()) is spatial
        assert backbone.layer1[0].conv2.conv.groups == 2 * cardinality


def test_imagenet1k_is_mmpretrains_recipe_but_for_the_backbone(tmp_path):
    cfg = load_config(str(IMAGENET1K), {"data_root": str(tmp_path)})
    assert cfg.train_cfg.max_epochs == 270
    assert cfg.model.head.loss.type == "LabelSmoothLoss"
    assert cfg.model.backbone == dict(type="ResNeSkt", depth=50, out_indices=(3,))
    folder = tmp_path / "train" / "n01440764"
    folder.mkdir(parents=True)
    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    cv2.imwrite(str(folder / "a.JPEG"), image)
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "train.txt").write_text("n01440764/a.JPEG 0\n")
    sample = DATASETS.build(cfg.train_dataloader.dataset)[0]
    assert sample["inputs"].shape == (3, 224, 224)


def write_folder(root, classes):
    for name in classes:
        (root / name).mkdir(parents=True)
        cv2.imwrite(str(root / name / "a.jpg"), np.zeros((40, 60, 3), np.uint8))


def test_the_folders_are_the_classes_and_reach_the_head(tmp_path):
    for split in ("train", "test"):
        write_folder(tmp_path / split, ["cat", "dog", "ape"])
    cfg = load_config(str(FOLDER), {"data_root": str(tmp_path)})
    set_classes(cfg, None)
    assert cfg.model.head.num_classes == cfg.data_preprocessor.num_classes == 3
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.val_cfg.train_dataloader):
        dataset = DATASETS.build(loader.dataset)
        assert tuple(dataset.metainfo["classes"]) == ("ape", "cat", "dog")
        assert dataset[0]["inputs"].shape == (3, 48, 48)
        assert dataset[0]["inputs"].dtype == torch.uint8


def test_names_of_a_configs_own_for_its_folders_stay(tmp_path):
    for split in ("train", "test"):
        write_folder(tmp_path / split, ["n01", "n02"])
    cfg = load_config(str(FOLDER), {"data_root": str(tmp_path)})
    cfg.train_dataloader.dataset.metainfo = dict(classes=["cock", "hen"])
    set_classes(cfg, None)
    assert cfg.train_dataloader.dataset.metainfo.classes == ["cock", "hen"]
    assert cfg.model.head.num_classes == 2


def test_other_classes_than_the_folders_are_refused(tmp_path):
    for split in ("train", "test"):
        write_folder(tmp_path / split, ["a", "z"])
    cfg = load_config(str(FOLDER), {"data_root": str(tmp_path)})
    set_classes(cfg, ["a", "z"])
    with pytest.raises(UserError, match=r"\['z', 'a'\] are not the folders .*\['a', 'z'\]"):
        set_classes(cfg, ["z", "a"])


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (["cat", "dog"], ["cat", "cow"], "other classes than train_dataloader.*: cow, dog"),
        ([], ["cat"], "train .*holds no folders"),
        (["+cat", ".hidden"], ["+cat"], r"train/\.hidden .*is a hidden folder"),
    ],
)
def test_folders_that_disagree_are_named(tmp_path, train, test, message):
    (tmp_path / "train").mkdir()
    write_folder(tmp_path / "train", train)
    write_folder(tmp_path / "test", test)
    cfg = load_config(str(FOLDER), {"data_root": str(tmp_path)})
    with pytest.raises(UserError, match=message):
        set_classes(cfg, None)

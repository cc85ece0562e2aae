"""The benchmark measures what it says; how fast anything is is no matter of tests."""

import itertools
import json

import pytest
import torch

from mmresneskt.cli import call
from mmresneskt.paper.benchmark import Measurement, Variant, build_network
from mmresneskt.paper.benchmark.detector import PARTS, detector_steps
from mmresneskt.paper.benchmark.report import ratios, table_rows
from mmresneskt.paper.benchmark.scaling import scaling
from mmresneskt.paper.benchmark.speed import Speed, saved_bytes
from mmresneskt.paper.benchmark.variants import step
from mmresneskt.paper.complexity import complexity
from mmresneskt.runtime.config.load import load_config
from mmresneskt.runtime.errors import UserError

from .helpers import ROOT

OURS, OFF, PEER = "resneskt50", "resneskt50_off", "mmpretrain_resnest50"


def measurement(network, layout, seconds, mode="inference"):
    return Measurement(Variant(network, mode, layout), Speed(seconds, seconds / 10, 2_000_000), 4)


def test_ratios_compare_the_best_layout_of_each():
    measured = [
        measurement(OURS, "nchw", 0.5),
        measurement(OURS, "nhwc", 0.4),
        measurement(PEER, "nchw", 0.6),
        measurement(PEER, "nhwc", 0.8),
        measurement(PEER, "nhwc", 1.0, mode="training"),  # ours has no such row
    ]
    (row,) = ratios(measured)
    assert row == ["inference", "no", "float32", PEER, "nchw", "nhwc", pytest.approx(1.5)]


def test_the_share_of_the_matrix_rate_counts_the_backward_pass_twice():
    measured = [measurement(OURS, "nchw", 0.5), measurement(OURS, "nchw", 1.5, mode="training")]
    rows = table_rows(measured, {OURS: 1000}, {"float32": 16_000.0})
    assert [row[-1] for row in rows] == [pytest.approx(50), pytest.approx(50)]
    assert rows[0][5:9] == [500, pytest.approx(10), pytest.approx(8), 2]


def test_the_spatial_attention_keeps_almost_nothing_for_the_backward_pass():
    pytest.importorskip("mmpretrain")
    images = torch.rand(2, 3, 64, 64)
    kept = {}
    for name in (OURS, OFF, PEER):
        model = build_network(name)
        kept[name] = saved_bytes(lambda model=model: model.train()(images).mean())
    assert kept[OURS] <= 1.05 * kept[OFF]
    assert kept[OURS] <= kept[PEER]


def test_the_peer_of_the_same_shape_has_the_same_size():
    pytest.importorskip("mmpretrain")
    networks = [build_network(name) for name in ("resneskt50_avd_last_off", PEER)]
    ours, theirs = (complexity(network, 64, 64) for network in networks)
    assert ours.macs == theirs.macs
    assert ours.params == theirs.params


def test_a_training_step_learns_and_inference_does_not():
    model = build_network("resneskt50", depth=14, base_channels=16, stem_channels=16)
    images = torch.rand(2, 3, 32, 32)
    before = [parameter.clone() for parameter in model.parameters()]
    step(Variant(OURS, "inference", "nchw"), model, images)()
    assert all(map(torch.equal, before, model.parameters()))
    step(Variant(OURS, "training", "nchw", precision="bfloat16"), model, images)()
    assert not torch.equal(before[0], next(model.parameters()))


def test_the_tool_prints_and_writes_all_it_was_asked_for(tmp_path, capsys):
    out = tmp_path / "new" / "run"
    arguments = ["--networks", OURS, OFF, "--size", "64", "32", "--batch", "2", "--rounds", "2"]
    call("benchmark", [*arguments, "--device", "cpu", "--out", str(out)])
    printed = capsys.readouterr().out
    assert "times as fast" in printed
    document = json.loads((out.parent / "run.json").read_text())
    rows = document["measured"]
    assert len(rows) == 2 * 2 * 2  # networks, modes, layouts
    assert {row["mode"]: row["memory"] > 0 for row in rows} == dict(inference=False, training=True)
    assert document["macs"][OURS] > document["macs"][OFF]
    assert len(document["ratios"]) == 2
    assert (out.parent / "run.png").read_bytes().startswith(b"\x89PNG")


def test_memory_grows_with_the_batch():
    points = list(itertools.islice(scaling(2, 64, "nchw", "cpu", rounds=1), 3))
    assert [(point.axis, point.value) for point in points] == [("batch", n) for n in (1, 2, 4)]
    for less, more in zip(points, points[1:]):
        assert more.on.memory == pytest.approx(2 * less.on.memory, rel=0.05)
        assert more.off.memory < more.on.memory <= 1.05 * more.off.memory


@pytest.mark.parametrize("table", ["radix", "operators"])
def test_the_other_tables(table, tmp_path):
    out = str(tmp_path / table)
    arguments = ["--table", table, "--size", "32", "--batch", "2"]
    arguments += ["--networks", OURS] if table == "operators" else []
    call("benchmark", [*arguments, "--rounds", "1", "--device", "cpu", "--out", out])
    rows = json.loads((tmp_path / f"{table}.json").read_text())[table]
    assert len(rows) == 2 * 2  # layouts, modes
    assert all(min(row[-2:]) > 0 for row in rows)


def test_every_part_of_a_detector_runs():
    cfg = load_config(str(ROOT / "configs" / "faster_rcnn_resneskt_parcels.py"))
    parts = detector_steps(cfg, 1, (64, 96), "nhwc", "cpu")
    assert tuple(parts) == PARTS
    for function in parts.values():
        function()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_named():
    with pytest.raises(UserError, match="torch sees no GPU; use --device cpu"):
        call("benchmark", ["--device", "cuda"])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--table", "radix", "--compile"], "--compile does not change the table radix"),
        (["--table", "scaling", "--size", "64", "96"], "--size takes one side for"),
        (["--model", "detector", "--table", "radix"], "--table is of the backbones"),
    ],
)
def test_an_option_that_changes_nothing_is_refused(arguments, text):
    with pytest.raises(UserError, match=text):
        call("benchmark", arguments)


def test_a_size_too_small_for_the_strides_is_refused(capsys):
    with pytest.raises(SystemExit):
        call("benchmark", ["--size", "16"])
    assert "at least 32" in capsys.readouterr().err

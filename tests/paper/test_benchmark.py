"""The benchmark measures what it says; how fast anything is is no matter of tests."""

import json

import pytest
import torch

from mmresneskt import ResNeSkt
from mmresneskt.cli import call
from mmresneskt.paper.benchmark.detector import PARTS, detector_steps
from mmresneskt.paper.benchmark.report import ratios, table_rows
from mmresneskt.paper.benchmark.speed import Speed, saved_bytes
from mmresneskt.paper.benchmark.variants import Variant, step, steps_of
from mmresneskt.paper.peers import TIMED, build_timed
from mmresneskt.runtime.complexity import complexity
from mmresneskt.runtime.config.load import load_config
from mmresneskt.runtime.errors import UserError
from tests.support.helpers import ROOT

OURS, OFF, PEER = "resneskt50", "resneskt50_off", "mmpretrain_resnest50"


def measured(*rows):
    """Of network, layout, seconds and, unless it is inference, mode."""
    return {
        Variant(network, *(mode or ["inference"]), layout): Speed(seconds, seconds / 10, 2_000_000)
        for network, layout, seconds, *mode in rows
    }


def test_ratios_compare_the_best_layout_of_each():
    found = measured(
        (OURS, "nchw", 0.5),
        (OURS, "nhwc", 0.4),
        (PEER, "nchw", 0.6),
        (PEER, "nhwc", 0.8),
        (PEER, "nhwc", 1.0, "training"),  # ours has no such row
    )
    (row,) = ratios(found)
    assert row == ["inference", "no", "float32", PEER, "nchw", "nhwc", pytest.approx(1.5)]


def test_the_share_of_the_matrix_rate_counts_the_backward_pass_twice():
    found = measured((OURS, "nchw", 0.5), (OURS, "nchw", 1.5, "training"))
    rows = table_rows(found, 4, {OURS: 1000}, {"float32": 16_000.0})
    assert [row[-1] for row in rows] == [pytest.approx(50), pytest.approx(50)]
    assert rows[0][5:9] == [500, pytest.approx(10), pytest.approx(8), 2]


def test_the_spatial_attention_keeps_almost_nothing_for_the_backward_pass():
    pytest.importorskip("mmpretrain")
    images = torch.rand(2, 3, 64, 64)
    kept = {}
    for name in (OURS, OFF, PEER):
        model = build_timed(name)
        model.train()
        kept[name] = saved_bytes(lambda model=model: model(images)[-1].mean())
    assert kept[OURS] <= 1.05 * kept[OFF]
    assert kept[OURS] <= kept[PEER]


def test_the_peer_of_the_same_shape_has_the_same_size():
    pytest.importorskip("mmpretrain")
    networks = [build_timed(name) for name in ("resneskt50_avd_last_off", PEER)]
    ours, theirs = (complexity(network, 64, 64) for network in networks)
    assert ours.macs == theirs.macs
    assert ours.params == theirs.params


def test_the_networks_are_those_that_were_timed():
    pytest.importorskip("mmpretrain")
    counted = json.loads((ROOT / "results" / "benchmark_cpu.json").read_text())["macs"]
    not_yet = {"resneskt50_author", "mmpretrain_convnext_tiny"}
    assert set(TIMED) - set(counted) == not_yet
    found = {name: complexity(build_timed(name), 224, 224).macs for name in counted}
    assert found == pytest.approx(counted, rel=1e-6)  # the kernel choice was counted otherwise


def test_a_training_step_learns_and_inference_does_not():
    model = ResNeSkt(14, base_channels=16, stem_channels=16)
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
    kept = []
    for batch in (1, 2, 4):
        images = torch.rand(batch, 3, 64, 64)
        steps = steps_of([Variant(name, "training", "nchw") for name in (OURS, OFF)], images)
        kept.append([saved_bytes(step) for step in steps.values()])
    for less, more in zip(kept, kept[1:]):
        assert more[0] == pytest.approx(2 * less[0], rel=0.05)
        assert more[1] < more[0] <= 1.05 * more[1]


def test_every_part_of_a_detector_runs():
    cfg = load_config(str(ROOT / "configs" / "faster_rcnn_resneskt_parcels.py"))
    for precision in ("float32", "bfloat16"):
        parts = detector_steps(cfg, 1, (64, 96), "nhwc", "cpu", precision)
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
        (["--compile"], "--compile does not change"),
        (["--networks", OURS], "--networks does not change"),
        (["--modes", "training"], "--modes does not change"),
    ],
)
def test_an_option_that_changes_nothing_is_refused(arguments, text):
    with pytest.raises(UserError, match=text):
        call("benchmark", ["--model", "detector", *arguments])


def test_a_size_too_small_for_the_strides_is_refused(capsys):
    with pytest.raises(SystemExit):
        call("benchmark", ["--size", "16"])
    assert "at least 32" in capsys.readouterr().err

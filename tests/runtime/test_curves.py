"""Curves from logs as mmengine writes them."""

import json
from types import SimpleNamespace

import cv2
import pytest
from matplotlib.figure import Figure

from mmresneskt.runtime.pictures import curves, curves_hook
from mmresneskt.runtime.pictures.curves import plot_curves, read_scalars
from mmresneskt.runtime.pictures.curves_hook import CurvesHook
from tests.support.helpers import run_tool


def write_log(work_dir, start, lines, torn=""):
    log = work_dir / start / "vis_data" / "scalars.json"
    log.parent.mkdir(parents=True)
    log.write_text("".join(json.dumps(line) + "\n" for line in lines) + torn)


def evaluation(epoch, test, train):
    return {
        "accuracy/top1": test,
        "cross_entropy/mean": 1 - test / 100,
        "train/accuracy/top1": train,
        "train/cross_entropy/mean": 1 - train / 100,
        "step": epoch,
    }


@pytest.fixture
def classifier(tmp_path):
    run = tmp_path / "classifier"
    first = [dict(loss=2.0, iter=10, step=10), evaluation(1, 30, 35), evaluation(2, 10, 10)]
    write_log(run, "20260101_000000", first, torn='{"loss": 1.0, "it')
    write_log(run, "20260101_010000", [dict(loss=1.5, iter=20, step=20), evaluation(2, 40, 50)])
    return run


@pytest.fixture
def drawn(monkeypatch):
    """The figure that is saved, to look at its lines."""
    figures = []
    save = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *a, **k: figures.append(self) or save(self, *a, **k)
    )
    return figures


def lines(axes):
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in axes}


def test_a_later_start_counts_and_a_torn_line_does_not(classifier):
    train, evaluations = read_scalars(classifier)
    assert sorted(train) == [10, 20]
    assert evaluations[2]["accuracy/top1"] == 40
    assert evaluations[1]["accuracy/top1"] == 30


def test_a_start_from_the_beginning_is_another_run(classifier):
    write_log(classifier, "20260101_020000", [dict(loss=9.0, iter=10, step=10)])
    assert read_scalars(classifier) == ({10: dict(loss=9.0, iter=10, step=10)}, {})


def test_accuracy_and_loss_of_both_sets_per_epoch(classifier, tmp_path, drawn):
    out = plot_curves(classifier, tmp_path / "new" / "curves.png")
    assert cv2.imread(str(out)).std() > 10
    left, right = drawn[0].axes
    accuracy, loss = lines(left.lines), lines(right.lines)
    assert accuracy["top1, test"] == ([1, 2], [30, 40])
    assert accuracy["top1, train"] == ([1, 2], [35, 50])
    assert loss["loss, test"][1] == pytest.approx([0.7, 0.6])
    assert loss["loss, train"][1] == pytest.approx([0.65, 0.5])
    assert left.get_ylim() == (0, 100)
    assert [p.name for p in out.parent.iterdir()] == ["curves.png"]


def test_several_runs_in_one_picture_and_training_losses_where_a_run_has_no_others(
    classifier, tmp_path, drawn
):
    detector = tmp_path / "detector"
    maps = {"coco/bbox_mAP": 0.3, "coco/bbox_mAP_50": 0.5, "step": 1}
    log = [dict(loss=3.0, loss_cls=1.0, iter=5, step=5), maps]
    write_log(detector, "20260101_000000", log)
    plot_curves([classifier, detector], tmp_path / "both.png")
    left, right = drawn[0].axes
    assert lines(left.lines)["detector: bbox_mAP, test"] == ([1], [30])
    assert set(lines(left.lines)) == {
        "classifier: top1, test",
        "classifier: top1, train",
        "detector: bbox_mAP, test",
    }
    assert left.get_ylim() == (0, 100)
    assert lines(right.lines) == {
        "classifier: loss": ([10, 20], [2.0, 1.5]),
        "detector: loss": ([5], [3.0]),
    }
    plot_curves(detector, tmp_path / "one.png")
    left, right = drawn[1].axes
    assert set(lines(left.lines)) == {"bbox_mAP, test", "bbox_mAP_50, test"}
    assert set(lines(right.lines)) == {"loss", "loss_cls"}


def test_runs_of_one_name_are_told_apart(classifier, tmp_path, drawn):
    other = tmp_path / "other" / "classifier"
    write_log(other, "20260101_000000", [evaluation(1, 30, 35)])
    plot_curves([classifier, other], tmp_path / "both.png")
    labels = set(lines(drawn[0].axes[0].lines))
    assert f"{tmp_path.name}/classifier: top1, test" in labels
    assert "other/classifier: top1, test" in labels


def test_a_picture_does_not_end_a_training(monkeypatch, tmp_path):
    def fail(*args):
        raise ValueError("matplotlib")

    monkeypatch.setattr(curves_hook, "plot_curves", fail)
    CurvesHook().after_train(SimpleNamespace(work_dir=str(tmp_path), iter=1))


def test_the_command_and_its_mistakes(classifier, tmp_path):
    result = run_tool("curves", classifier, "--out", "c.svg", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "<svg" in (tmp_path / "c.svg").read_text()
    for arguments, text in (
        (["nowhere"], "nowhere holds no run"),
        ([classifier, "--out", "c.abc"], "'abc' is not supported"),
    ):
        result = run_tool("curves", *arguments, cwd=tmp_path)
        assert result.returncode == 2
        assert text in result.stderr
        assert "Traceback" not in result.stderr
    assert not list(tmp_path.glob(".*"))


def test_a_picture_that_cannot_be_drawn_leaves_the_old_one(classifier, tmp_path, monkeypatch):
    out = plot_curves(classifier, tmp_path / "curves.png")
    before = out.read_bytes()

    def fail(*args, **kwargs):
        raise OSError("no space left")

    monkeypatch.setattr(curves.Figure, "savefig", fail)
    with pytest.raises(OSError, match="no space"):
        plot_curves(classifier, out)
    assert out.read_bytes() == before

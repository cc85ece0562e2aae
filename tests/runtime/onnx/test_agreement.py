"""What is compared before a file is written: nothing passes that is not the same."""

import pytest
import torch

from mmresneskt.runtime.errors import UserError
from mmresneskt.runtime.onnx.agreement import Agreement, agree


def found(*boxes, masks=None):
    """Boxes, each left, top, right, bottom, score, label."""
    values = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 6)
    parts = [values[:, :4], values[:, 4], values[:, 5].long()]
    return parts if masks is None else [*parts, masks]


ONE = (10, 10, 50, 60, 0.9, 2)
TWO = (100, 20, 150, 90, 0.4, 1)


def test_the_order_does_not_matter_and_the_largest_differences_are_kept():
    agreement = Agreement()
    agreement.add(found(TWO, (10.25, 10, 50, 60, 0.9005, 2)), found(ONE, TWO), "x")
    assert agreement.boxes == 4
    assert agreement.pixels == pytest.approx(0.25)
    assert agreement.score == pytest.approx(0.0005, rel=1e-2)


@pytest.mark.parametrize(
    "other",
    [
        (10, 10, 50.6, 60, 0.9, 2),
        (10, 10, 50, 60, 0.902, 2),
        (10, 10, 50, 60, 0.9, 1),
        (float("nan"), 10, 50, 60, 0.9, 2),
    ],
)
def test_a_box_that_is_another_is_refused(other):
    with pytest.raises(UserError, match="image 7: PyTorch alone finds class 2 at 10.0, 10.0"):
        Agreement().add(found(other, TWO), found(ONE, TWO), "image 7")


def test_a_box_that_one_side_alone_has_is_refused():
    with pytest.raises(UserError, match="PyTorch alone"):
        Agreement().add(found(ONE), found(ONE, TWO), "x")
    with pytest.raises(UserError, match="ONNX Runtime alone"):
        Agreement().add(found(ONE, TWO), found(ONE), "x")


def test_boxes_at_a_threshold_or_at_the_end_of_a_full_list_may_differ():
    agreement = Agreement()
    agreement.add(found(ONE, (0, 0, 9, 9, 0.0505, 1)), found(ONE), "x")
    agreement.add(found(ONE, TWO), found(ONE, (0, 0, 9, 9, 0.4003, 1)), "x")
    assert agreement.boxes == 4


def test_masks_are_compared():
    mask = torch.zeros(1, 80, 80, dtype=torch.bool)
    mask[:, 10:50, 10:50] = True
    other = mask.clone()
    other[:, 10, 10:25] = False  # 15 of 1600
    Agreement().add(found(ONE, masks=other), found(ONE, masks=mask), "x")
    other[:, 11, 10:25] = False
    with pytest.raises(UserError, match="PyTorch alone"):
        Agreement().add(found(ONE, masks=other), found(ONE, masks=mask), "x")


def test_nothing_to_compare_is_no_agreement(monkeypatch):
    monkeypatch.setattr("mmresneskt.runtime.onnx.agreement.outputs", lambda data, x: [found()])
    with pytest.raises(UserError, match="no box with a score above 0.05 in any of 1 images"):
        agree(b"", {"x": torch.zeros(3)}, lambda _: found())

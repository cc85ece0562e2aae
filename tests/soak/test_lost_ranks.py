"""One of two processes is cut off from the other, or hangs, in the middle of an epoch."""

import pytest
import torch

from mmresneskt.runtime.pictures.curves import read_scalars
from tests.support.processes import CLASSIFIER, parameters, record, train, write

STEPS = 48 // 8  # of an epoch
EPOCHS = 3


@pytest.mark.parametrize("how", ["cut off", "hung"])
def test_all_are_started_again_and_the_run_ends_where_it_should(tmp_path, how):
    folder = tmp_path / "run"
    text = CLASSIFIER.replace(
        "custom_hooks = [",
        f"custom_hooks = [dict(type='LoseHook', how='{how}', iteration={STEPS + 3}), ",
    )
    text += "env_cfg = dict(dist_cfg=dict(timeout=20))\n"
    output = train(write(folder, text, batch=4, epochs=EPOCHS))
    assert f"going on from {folder / 'epoch_1.pth'}" in output
    for rank in (0, 1):
        found = record(folder, rank)
        assert found["iterations"] == EPOCHS * STEPS
        assert len(found["losses"]) == (EPOCHS - 1) * STEPS  # the second start's alone
    ours, theirs = parameters(folder, 0), parameters(folder, 1)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert sorted(read_scalars(folder)[0]) == list(range(1, EPOCHS * STEPS + 1))

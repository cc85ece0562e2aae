"""Kill a training that saves every iteration, at random moments, and go on with it."""

import pytest

from tests.support.kills import check_kills, check_kills_of_a_run_that_evaluates


def test_two_hundred_kills(tmp_path):
    found = check_kills(tmp_path, kills=200, seed=0)
    print(found)
    assert found["in_write"] >= 90


@pytest.mark.parametrize("by_epoch", [True, False], ids=["by epoch", "by iteration"])
def test_sixty_kills_of_a_run_that_evaluates(tmp_path, by_epoch):
    print(check_kills_of_a_run_that_evaluates(tmp_path, kills=60, seed=0, by_epoch=by_epoch))

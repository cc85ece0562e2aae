"""Kill a training that saves every iteration, at random moments, and go on with it."""

from tests.support.kills import check_kills


def test_two_hundred_kills(tmp_path):
    found = check_kills(tmp_path, kills=200, seed=0)
    print(found)
    assert found["in_write"] >= 90

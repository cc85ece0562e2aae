"""Ten thousand checkpoints whose pickles use allowed names alone."""

from ..test_checkpoint_plain import check_programs, events  # noqa: F401 (a fixture)

COUNT = 10_000


def test_programs(tmp_path, events):  # noqa: F811
    refused = check_programs(tmp_path, range(COUNT), events)
    print(f"\n{COUNT - refused} of {COUNT} load, to plain values alone; the others are refused")
    assert refused < 0.85 * COUNT

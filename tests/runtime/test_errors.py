"""What a person reads of a name is one line, whatever the name is."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmresneskt.cli import main
from mmresneskt.runtime.broken_images import UnusableImage
from mmresneskt.runtime.checkpoint import CheckpointError
from mmresneskt.runtime.errors import UserError, printable
from mmresneskt.runtime.images import report_skipped
from mmresneskt.runtime.preflight.findings import error, report

FORGED = "x\nerror: \x1b[31mall is lost\x1b[0m\r\u202e\udcff.jpg"
SHOWN = r"x\nerror: \x1b[31mall is lost\x1b[0m\r\u202e\udcff.jpg"


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_is_one_line_that_can_be_printed(text):
    line = printable(text)
    assert line.isprintable()
    line.encode()
    assert printable(line) == line
    if text.isprintable():
        assert line == text


def test_a_message_has_the_lines_that_it_was_made_of():
    for kind in (UserError, UnusableImage):
        assert str(kind(f"{FORGED} cannot be used")) == f"{SHOWN} cannot be used"
    error = UserError("two:", FORGED)
    assert str(error) == str(pickle.loads(pickle.dumps(error))) == f"two:\n{SHOWN}"


def test_a_name_forges_no_line(capsys):
    with pytest.raises(UserError, match="1 of 2"):
        report_skipped({FORGED: "no image"}, 2)
    with pytest.raises(UserError) as raised:
        report([error("load_from", FORGED), error("seed", "is wrong")])
    assert str(raised.value) == f"load_from: {SHOWN}\nerror: seed: is wrong"
    for name, arguments in (
        ("predict", [FORGED, "--config", "c", "--checkpoint", "w"]),
        ("check", [FORGED]),
        ("train", [FORGED]),
        ("curves", [FORGED]),
        ("train", ["x", f"--{FORGED}"]),
        (FORGED, []),
    ):
        with pytest.raises(SystemExit) as ended:
            main([name, *arguments])
        assert ended.value.code == 2
    said = capsys.readouterr()
    for line in (said.out + said.err).splitlines():
        assert line.isprintable()
        assert not line.startswith("error: all")
    assert said.err.count(SHOWN) >= 5
    assert str(CheckpointError(FORGED)).isprintable()

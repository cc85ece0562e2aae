"""Files that appear whole or not at all."""

import os

import pytest

from mmresneskt.runtime.fault_tolerance.whole_checkpoint import remove_unfinished, save_whole
from mmresneskt.runtime.files import drafted, remove_drafts, write_whole

LONGEST = ["n" * 251 + ".png", "é" * 125 + ".json", os.fsdecode(b"\xff" * 255)]


@pytest.mark.parametrize("name", LONGEST)
def test_the_longest_name_can_be_written(name, tmp_path):
    for content in (b"first", b"second"):
        assert write_whole(tmp_path / name, content).read_bytes() == content
    assert os.listdir(tmp_path) == [name]
    save_whole(lambda draft: (tmp_path / draft).mkdir(), str(tmp_path), f"c{name[1:]}")
    assert set(os.listdir(tmp_path)) == {name, f"c{name[1:]}"}


@pytest.mark.parametrize("name", LONGEST)
def test_what_is_left_of_it_is_removed(name, tmp_path):
    def killed(draft):
        (tmp_path / draft).touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), drafted(tmp_path / name) as draft:
        killed(draft)
    assert not os.listdir(tmp_path)
    with drafted(tmp_path / name) as draft:
        draft.touch()
        os.link(draft, draft.with_suffix(".1"))  # another process's
    with pytest.raises(KeyboardInterrupt):
        save_whole(killed, str(tmp_path), name)
    assert len(os.listdir(tmp_path)) == 3
    remove_drafts(tmp_path / "another")
    assert len(os.listdir(tmp_path)) == 3
    remove_drafts(tmp_path / name)
    remove_unfinished(str(tmp_path))
    assert os.listdir(tmp_path) == [name]


def test_a_file_does_not_take_the_place_of_a_folder(tmp_path):
    (tmp_path / "x.png" / "kept").mkdir(parents=True)
    with pytest.raises(OSError, match=r"x\.png"):
        write_whole(tmp_path / "x.png", b"")
    assert [p.name for p in tmp_path.rglob("*")] == ["x.png", "kept"]

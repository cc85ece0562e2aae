"""``prepare-imagenet10`` refuses in one message, and leaves everything as it was."""

import fcntl
import json
import os
import shutil

import pytest
from PIL import Image

from mmresneskt.cli import call
from mmresneskt.data.imagenet10 import build as building
from mmresneskt.data.imagenet10 import source
from mmresneskt.runtime.errors import UserError
from tests.support.helpers import DATA, run_tool
from tests.support.imagenet_tree import ALLOW, WNIDS, build, contents, flatten_val, make_tree

SAMPLES = DATA / "imagenet10_samples"


@pytest.fixture
def tree(tmp_path):
    return make_tree(tmp_path / "imagenet", train=5)


def refused(*arguments):
    with pytest.raises(UserError) as caught:
        call("prepare-imagenet10", [str(a) for a in arguments])
    return str(caught.value)


def test_counts_that_are_short_end_the_run_before_anything_is_written(tree, tmp_path):
    result = run_tool("prepare-imagenet10", "imagenet", "set", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert lines[0] == "error: imagenet has not the images that ImageNet-1K has:"
    assert "  train/n01530575 (brambling): 5 of 1300 images" in lines
    assert "  val/n11939491 (daisy): 1 of 50 images" in lines
    assert len(lines) == 22
    assert ALLOW in lines[-1]
    assert not (tmp_path / "set").exists()


def test_a_tree_without_a_synset_is_refused_whatever_is_allowed(tree, tmp_path):
    shutil.rmtree(tree / "train" / WNIDS[3])
    shutil.rmtree(tree / "val" / WNIDS[4])
    message = refused(tree, tmp_path / "set", ALLOW)
    assert f"no images of train/{WNIDS[3]} (drake), val/{WNIDS[4]} (tusker)" in message
    assert not (tmp_path / "set").exists()
    assert "no train/ folder" in refused(tmp_path / "nowhere", tmp_path / "set")


@pytest.mark.parametrize("name", ["notes.txt", "train", "settings.json"])
def test_a_folder_with_other_contents_is_left_as_it_is(name, tree, tmp_path):
    out = tmp_path / "set"
    (out / "sub").mkdir(parents=True)
    (out / name).write_text("mine")
    before = contents(out)
    assert "other contents" in refused(tree, out, ALLOW)
    assert contents(out) == before


def test_the_source_and_what_is_around_it_or_in_it_is_no_output_folder(tree, tmp_path):
    before = contents(tmp_path)
    link = tmp_path.parent / f"{tmp_path.name}-link"
    link.symlink_to(tree / "train")
    for out in (tree, tree / "train", tree / "val" / "x", tmp_path, link, link / "x"):
        assert "apart from" in refused(tree, out, ALLOW)
    link.unlink()
    assert contents(tmp_path) == before


def test_other_settings_are_named_and_nothing_is_changed(tree, tmp_path):
    out = tmp_path / "set"
    build(tree, out, "--no-augment")
    before = contents(out)
    assert "(seed 0, now 7): use" in refused(tree, out, ALLOW, "--no-augment", "--seed", 7)
    message = refused(tree, out, ALLOW, "--keep-originals")
    assert "augment False, now True; keep_originals False, now True" in message
    (tree / "val" / WNIDS[0] / "ILSVRC2012_val_00000001.JPEG").rename(
        tree / "val" / WNIDS[1] / "ILSVRC2012_val_00000001.JPEG"
    )
    (tree / "val" / WNIDS[0] / "x.JPEG").write_bytes(b"")
    assert "images 60, now 61; names_sha256" in refused(tree, out, ALLOW, "--no-augment")
    assert contents(out) == before


def test_two_runs_do_not_write_into_one_folder(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(building, "_PATIENCE", 0)
    out = tmp_path / "set"
    out.mkdir()
    held = os.open(out, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    assert "another run is writing into" in refused(tree, out, ALLOW)
    assert not list(out.iterdir())
    os.close(held)
    build(tree, out, "--no-augment")


def test_corrupt_images_are_listed_and_too_many_end_the_run(tree, tmp_path, capsys):
    whole = tmp_path / "whole"
    build(tree, whole)
    good = tree / "train" / WNIDS[2] / f"{WNIDS[2]}_3.JPEG"
    empty = tree / "val" / WNIDS[8] / "ILSVRC2012_val_00000009.JPEG"
    data = {file: file.read_bytes() for file in (good, empty)}
    good.write_bytes(data[good][:-100])
    empty.write_bytes(b"")
    out = tmp_path / "set"
    name = f"train/{WNIDS[2]}/{WNIDS[2]}_3.JPEG"
    assert f"--max-corrupt 0 allows:\n  {name}: image file is truncated" in refused(
        tree, out, ALLOW
    )
    assert "--max-corrupt 1 allows" in refused(tree, out, ALLOW, "--max-corrupt", 1)
    assert not (out / "manifest.jsonl").exists()
    build(tree, out, "--max-corrupt", "2", workers=2)
    assert f"corrupt, left out with its copies: {name}: image file" in capsys.readouterr().out
    reasons = (out / "corrupt.txt").read_text().splitlines()
    assert [line.split(": ")[0] for line in reasons] == [name, str(empty.relative_to(tree))]
    assert reasons[1].endswith(": the file is empty")
    made = {json.loads(line)["source"] for line in (out / "manifest.jsonl").open()}
    assert len(made) == 60 - 2
    listed = (out / "train.txt").read_text() + (out / "test.txt").read_text()
    for file in data:
        assert file.stem not in listed
        assert not list(out.rglob(f"{file.stem}*"))
    for file, original in data.items():
        file.write_bytes(original)
    build(tree, out)
    assert contents(out) == contents(whole)


def test_a_source_that_cannot_be_read_is_named(tree, tmp_path, monkeypatch):
    target = tmp_path / "gone.JPEG"
    target.write_bytes(b"")
    file = tree / "train" / WNIDS[0] / f"{WNIDS[0]}_0.JPEG"
    file.unlink()
    file.symlink_to(target)

    def find_then_lose(*arguments):
        images = find(*arguments)
        target.unlink()
        return images

    find = source.find_images
    monkeypatch.setattr(source, "find_images", find_then_lose)
    assert str(file) in refused(tree, tmp_path / "set", ALLOW)


def test_numbers_are_checked(tree, tmp_path, capsys):
    for option in ("--workers=0", "--seed=-1", "--max-corrupt=x"):
        with pytest.raises(SystemExit, match="2"):
            call("prepare-imagenet10", [str(tree), str(tmp_path / "set"), option])
        assert option.split("=")[0] in capsys.readouterr().err


@pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"{SAMPLES} is not there")
def test_photographs(tmp_path):
    root = tmp_path / "imagenet"
    (root / "val").mkdir(parents=True)
    for i, file in enumerate(sorted(SAMPLES.glob("*/*")), start=1):
        for copy in (root / "train" / file.parent.name / file.name, None):
            copy = copy or root / "val" / file.parent.name / f"ILSVRC2012_val_{i:08d}.JPEG"
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
    labels = flatten_val(root)
    (root / "labels").write_text("".join(f"{wnid}\n" for wnid in labels.values()))
    before = contents(root)
    build(root, tmp_path / "set", "--val-labels", str(root / "labels"), workers=2)
    assert contents(root) == before
    assert len(list(tmp_path.glob("set/train/*/*"))) == 30
    assert len(list(tmp_path.glob("set/test/*/*"))) == 30
    for path in tmp_path.glob("set/t*/*/*"):
        with Image.open(path) as image:
            image.load()
            assert image.size == (224, 224)

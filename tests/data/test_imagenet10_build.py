"""``prepare-imagenet10``: what it writes, from good trees and bad, through any accident."""

import errno
import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from mmpretrain.datasets import CustomDataset
from PIL import Image
from torchvision.transforms import CenterCrop, InterpolationMode, Resize

from mmresneskt.cli import main
from mmresneskt.data.imagenet10 import build as building
from mmresneskt.data.imagenet10.source import SYNSETS
from mmresneskt.runtime.errors import UserError
from tests.support.imagenet_tree import ALLOW, WNIDS, build, contents, jpeg, make_tree

# Of 5 training images of a class 1 moves (5 * 300 / 1300 = 1.15) to the 1 for validation:
# 4 become 12, and 2 become 6 (5.7).
TRAIN, TEST = 12, 6
linux = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return make_tree(tmp_path_factory.mktemp("imagenet"), train=5)


@pytest.fixture(scope="module")
def expected(tree, tmp_path_factory):
    """The set as one worker writes it, and what is in it."""
    before = contents(tree)
    out = tmp_path_factory.mktemp("out") / "set"
    build(tree, out)
    assert contents(tree) == before
    return out, contents(out)


def read_manifest(out):
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


def test_every_image_is_there_listed_once_and_as_the_manifest_says(tree, expected):
    out, _ = expected
    assert sorted(p.name for p in out.iterdir()) == [
        *("classes.txt", "manifest.jsonl", "settings.json"),
        *("test", "test.txt", "train", "train.txt"),
    ]
    lines = read_manifest(out)
    assert len(lines) == 10 * (TRAIN + TEST)
    for line in lines:
        data = (out / line["path"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == line["sha256"]
        source = (tree / line["source"]).read_bytes()
        assert hashlib.sha256(source).hexdigest() == line["source_sha256"]
        with Image.open(out / line["path"]) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (224, 224))
    for split, per_class in (("train", TRAIN), ("test", TEST)):
        listed = dict(s.split() for s in (out / f"{split}.txt").read_text().splitlines())
        files = [p.relative_to(out / split) for p in (out / split).glob("*/*")]
        assert sorted(listed) == sorted(map(str, files))
        assert list(listed) == sorted(listed)
        assert all(WNIDS.index(name.split("/")[0]) == int(i) for name, i in listed.items())
        assert Counter(listed.values()) == {str(i): per_class for i in range(10)}
        dataset = CustomDataset(
            data_root=str(out),
            ann_file=f"{split}.txt",
            data_prefix=split,
            metainfo=dict(classes=(out / "classes.txt").read_text().splitlines()),
        )
        assert len(dataset) == 10 * per_class
        assert dataset.CLASSES[9] == "daisy"
        assert all(Path(image["img_path"]).is_file() for image in dataset)


def test_crops_are_torchvision_s_and_copies_are_not(tree, expected):
    out, _ = expected
    for line in read_manifest(out)[:40]:
        source = Image.open(tree / line["source"])
        crop = CenterCrop(224)(Resize(224, InterpolationMode.BICUBIC)(source))
        written = Image.open(out / line["path"])
        difference = np.abs(np.asarray(crop, int) - np.asarray(written, int)).mean()
        if line["transform"] == {"crop": 224}:
            assert line["seed"] is None
            assert difference < 1
        else:
            assert list(line["transform"]) == ["crop", "rotation", "brightness", "contrast"]
            assert difference > 2


def test_two_workers_write_the_same_bytes(tree, expected, tmp_path):
    build(tree, tmp_path / "two", workers=2)
    assert contents(tmp_path / "two") == expected[1]


def test_without_copies_and_with_originals(tree, expected, tmp_path):
    build(tree, tmp_path / "plain", "--no-augment")
    plain, full = contents(tmp_path / "plain"), expected[1]
    images = {name for name in plain if name.endswith(".JPEG")}
    assert images == {name for name in full if name.endswith(".JPEG") and "_c" not in name}
    assert all(plain[name] == full[name] for name in images)
    build(tree, tmp_path / "kept", "--keep-originals", workers=2)
    for line in read_manifest(tmp_path / "kept"):
        if line["seed"] is None:
            assert line["transform"] == {}
            assert line["sha256"] == line["source_sha256"]
        else:
            assert line["sha256"] == full[line["path"]]


def test_another_seed_gives_another_set(tree, expected, tmp_path):
    build(tree, tmp_path / "other", "--seed", "1")
    assert (tmp_path / "other" / "test.txt").read_text() != (expected[0] / "test.txt").read_text()


# started again


def _killed_when(reached, tree, out):
    """Run with two workers until ``reached()``, or to the end; kill without warning."""
    context = multiprocessing.get_context("fork")
    run = context.Process(target=build, args=(tree, out), kwargs=dict(workers=2))
    run.start()
    while run.is_alive() and not reached():
        pass
    run.kill()
    run.join()


@linux
def test_killed_at_any_moment_and_started_again_gives_the_same_bytes(tree, expected, tmp_path):
    out = tmp_path / "set"
    moments = [lambda: out.exists(), lambda: (out / "settings.json").exists()]
    moments += [lambda: (out / "train").exists(), lambda: any(out.glob(".partial/*"))]
    for n in np.random.default_rng(0).integers(1, 10 * (TRAIN + TEST), 4):
        moments.append(lambda n=n: len(list(out.glob("t*/*/*"))) >= n)
    moments += [lambda: (out / "train.txt").exists(), lambda: (out / "manifest.jsonl").exists()]
    for moment in moments:
        _killed_when(moment, tree, out)
    build(tree, out, workers=2)
    assert contents(out) == expected[1]
    for moment in moments[5:]:  # each from the start, too
        shutil.rmtree(out)
        _killed_when(moment, tree, out)
        build(tree, out)
        assert contents(out) == expected[1]


def test_a_finished_set_is_verified_not_written_and_damage_is_repaired(
    tree, expected, tmp_path, capsys
):
    out = tmp_path / "set"
    shutil.copytree(expected[0], out)
    times = {path: path.stat().st_mtime_ns for path in out.glob("t*/*/*")}
    build(tree, out)
    printed = capsys.readouterr().out
    assert "120 training and 60 test images" in printed
    assert "complete already" in printed
    assert {path: path.stat().st_mtime_ns for path in out.glob("t*/*/*")} == times
    first, second, *_ = sorted(out.glob("train/*/*"))
    first.unlink()
    second.write_bytes(b"damaged")
    mine = out / "train" / WNIDS[0] / "mine.JPEG"
    mine.write_bytes(b"not of this set")
    (out / "test.txt").unlink()
    build(tree, out, workers=2)
    assert "written" in capsys.readouterr().out
    assert mine.read_bytes() == b"not of this set"
    mine.unlink()
    assert contents(out) == expected[1]


@linux
def test_ctrl_c_ends_it_with_one_line_and_it_goes_on(tree, expected, tmp_path, monkeypatch):
    out, errors = tmp_path / "set", tmp_path / "errors"

    def interrupted(results, *_, **__):
        for i, made in enumerate(results):
            if i == 5:
                os.killpg(0, signal.SIGINT)  # as a terminal does, to the workers as well
            yield made

    def run():
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
        with open(errors, "w") as sys.stderr:
            os.dup2(sys.stderr.fileno(), 2)
            main(["prepare-imagenet10", str(tree), str(out), ALLOW, "--workers", "2"])

    with monkeypatch.context() as patch:
        patch.setattr(building, "track", interrupted)
        process = multiprocessing.get_context("fork").Process(target=run)
        process.start()
        process.join()
    assert process.exitcode == 130
    assert errors.read_text() == "interrupted: the same command goes on where it was\n"
    assert not (out / ".partial").exists()
    assert any(out.glob("t*/*/*"))
    assert not (out / "manifest.jsonl").exists()
    build(tree, out)
    assert contents(out) == expected[1]


@linux
def test_a_full_disk(tree, expected, tmp_path, monkeypatch):
    out = tmp_path / "set"

    def full(draft, target):
        if f"train/{WNIDS[6]}" in str(target):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(draft))
        replace(draft, target)

    replace = os.replace
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(UserError, match="is full: make room, and the same command goes on"):
            build(tree, out)
    assert not (out / ".partial").exists()
    assert not (out / "train.txt").exists()
    build(tree, out)
    assert contents(out) == expected[1]


@linux
def test_a_disk_that_is_really_full(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    in_namespace = ["unshare", "-rm", "sh", "-c"]  # where anyone may mount
    mount = f'mount -t tmpfs -o size=2m none "{disk}"'
    if not shutil.which("unshare") or subprocess.run([*in_namespace, mount]).returncode:
        pytest.skip("a small file system cannot be mounted here")
    root = make_tree(tmp_path / "imagenet", train=2)
    noise = np.random.default_rng(0)
    for file in root.glob("*/*/*"):
        image = Image.fromarray(noise.integers(0, 256, (224, 224, 3), np.uint8))
        file.write_bytes(jpeg(image))
    build(root, tmp_path / "roomy")
    tool = f'"{sys.executable}" -m mmresneskt prepare-imagenet10 "{root}" "{disk}/set" {ALLOW}'
    steps = f"""
        {mount}
        {tool} && exit 9
        ls -A "{disk}/set"
        mount -o remount,size=99m "{disk}"
        {tool}
        cp -r "{disk}/set" "{tmp_path}/copy"
    """
    result = subprocess.run([*in_namespace, steps], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "is full: make room" in result.stderr
    assert "Traceback" not in result.stderr
    assert ".partial" not in result.stdout
    assert "manifest" not in result.stdout
    assert contents(tmp_path / "copy") == contents(tmp_path / "roomy")


@linux
def test_a_killed_worker_is_told(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(building, "encode", lambda _: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(UserError, match="a worker process was killed"):
        build(tree, tmp_path / "set", workers=2)


def test_the_ten_of_the_authors_script(tmp_path):
    author = list(SYNSETS["author"])
    tree = make_tree(tmp_path / "tree", train=5, wnids=author)
    with pytest.raises(UserError, match=r"no images of train/n01530575 \(brambling\)"):
        build(tree, tmp_path / "set")
    build(tree, tmp_path / "set", "--classes", "author", "--no-augment")
    assert sorted(p.name for p in (tmp_path / "set" / "train").iterdir()) == sorted(author)
    assert (tmp_path / "set" / "classes.txt").read_text().split("\n")[0] == "tench"
    with pytest.raises(UserError, match="classes author, now paper"):
        build(make_tree(tmp_path / "other", train=5), tmp_path / "set", "--no-augment")


def test_a_set_begun_before_there_was_a_choice_is_gone_on_with(tree, expected, tmp_path):
    out = Path(shutil.copytree(expected[0], tmp_path / "set"))
    settings = json.loads((out / "settings.json").read_text())
    assert settings.pop("classes") == "paper"
    (out / "settings.json").write_text(json.dumps(settings))
    build(tree, out)
    assert contents(out).keys() == expected[1].keys()

"""Which images ``prepare-imagenet10`` takes, and what it makes of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmresneskt.data.imagenet10.plan import make_plan
from mmresneskt.data.imagenet10.source import (
    IMAGENET_LABELS,
    SYNSETS,
    find_images,
    read_labels,
    wrong_counts,
)
from mmresneskt.runtime.errors import UserError
from tests.support.imagenet_tree import WNIDS, flatten_val, make_tree


def test_the_synsets_and_their_places_among_the_thousand():
    timm = pytest.importorskip("timm.data")
    info = timm.ImageNetInfo("imagenet-1k")
    assert list(SYNSETS["paper"]) == sorted(WNIDS)
    assert {i: info.index_to_label_name(i) for i in IMAGENET_LABELS} == IMAGENET_LABELS
    for synsets in SYNSETS.values():
        labels = {i: synsets[w] for i, w in IMAGENET_LABELS.items() if w in synsets}
        assert list(synsets) == [IMAGENET_LABELS[i] for i in sorted(labels)]
        for i, name in labels.items():
            assert name in info.index_to_description(i)


# the tree


def test_images_are_found_in_both_layouts_and_other_files_are_not(tmp_path):
    plain = find_images(make_tree(tmp_path / "plain", train=2))
    assert list(plain.train) == WNIDS
    assert plain.train["n01530575"] == [f"train/n01530575/n01530575_{i}.JPEG" for i in (0, 1)]
    assert plain.val["n01530575"] == ["val/n01530575/ILSVRC2012_val_00000002.JPEG"]
    kaggle = make_tree(tmp_path / "kaggle" / "ILSVRC" / "Data" / "CLS-LOC", train=2)
    (kaggle / "train" / "n01530575" / "._n01530575_0.JPEG").write_text("a Mac was here")
    (kaggle / "train" / "n01530575" / "list.txt").write_text("")
    (kaggle / "train" / "n00000001").mkdir()
    found = find_images(tmp_path / "kaggle")
    assert found.base == kaggle
    assert (found.train, found.val) == (plain.train, plain.val)


def _devkit(root, labels, scramble=37):
    scipy_io = pytest.importorskip("scipy.io")
    ids = {wnid: scramble * (i + 1) % 101 for i, wnid in enumerate([*WNIDS, "n00007846"])}
    kinds = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O")]
    synsets = np.array([(i, wnid, "words") for wnid, i in ids.items()], kinds).reshape(-1, 1)
    data = root / "ILSVRC2012_devkit_t12" / "data"
    data.mkdir(parents=True)
    scipy_io.savemat(data / "meta.mat", {"synsets": synsets})
    truth = data / "ILSVRC2012_validation_ground_truth.txt"
    truth.write_text("".join(f"{ids[wnid]}\n" for wnid in labels.values()))


def _kaggle(root, labels):
    lines = [f"ILSVRC2012_val_{i:08d},{w} 3 4 5 6 {w} 1 2 3 4" for i, w in labels.items()]
    text = "\n".join(["ImageId,PredictionString", *reversed(lines)])
    (root / "LOC_val_solution.csv").write_text(text)


def _synset_list(root, labels):
    text = "".join(f"{wnid}\r\n" for wnid in labels.values())
    (root / "val" / "synset_labels.txt").write_text(text)


def _names_and_indices(root, labels):
    places = dict(zip(WNIDS, (7, 10, 52, 97, 101, 409, 436, 474, 738, 985)))
    lines = [f"ILSVRC2012_val_{i:08d}.JPEG {places.get(w, 3)}\n" for i, w in labels.items()]
    (root / "meta").mkdir()
    (root / "meta" / "val.txt").write_text("".join(lines))


@pytest.mark.parametrize("content", [b"", b"no Matlab file", None])
def test_a_devkit_that_is_none_is_one_error(content, tmp_path):
    scipy_io = pytest.importorskip("scipy.io")
    root = make_tree(tmp_path / "tree")
    _devkit(root, flatten_val(root))
    meta = root / "ILSVRC2012_devkit_t12" / "data" / "meta.mat"
    if content is None:
        scipy_io.savemat(meta, {"other": [1]})
    else:
        meta.write_bytes(content)
    with pytest.raises(UserError, match=r"need .*meta\.mat, read with scipy"):
        find_images(root)


@pytest.mark.parametrize("write", [_devkit, _kaggle, _synset_list, _names_and_indices])
def test_validation_images_in_one_folder_are_told_apart_by_each_list(write, tmp_path):
    root = make_tree(tmp_path / "tree", val=2)
    by_folder = find_images(root)
    labels = flatten_val(root)
    other = max(labels) + 1  # an image of none of the ten classes
    (root / "val" / f"ILSVRC2012_val_{other:08d}.JPEG").write_bytes(b"")
    write(root, {**labels, other: "n00007846"})
    found = find_images(root)
    assert found.train == by_folder.train
    names = {w: [p.split("/")[-1] for p in paths] for w, paths in found.val.items()}
    assert names == {w: [p.split("/")[-1] for p in paths] for w, paths in by_folder.val.items()}
    missing = root / "val" / f"ILSVRC2012_val_{other + 5:08d}.JPEG"
    missing.write_bytes(b"")
    with pytest.raises(UserError, match=f"no label for val/{missing.name}"):
        find_images(root)


def test_what_is_wrong_with_a_tree_is_named(tmp_path):
    with pytest.raises(UserError, match=r"no train/ folder.*ILSVRC/Data/CLS-LOC"):
        find_images(tmp_path)
    root = make_tree(tmp_path / "tree")
    for file in (root / "train" / "n02708093").iterdir():
        file.unlink()
    (root / "val" / "n11939491").rename(root / "val" / "elsewhere")
    with pytest.raises(UserError, match=r"train/n02708093 \(analog clock\), val/n11939491 \(dai"):
        find_images(root)
    (root / "val" / "elsewhere").rename(root / "val" / "n11939491")
    flatten_val(root)
    with pytest.raises(UserError, match=r"one folder.*LOC_val_solution.csv.*--val-labels"):
        find_images(root)
    odd = tmp_path / "odd.txt"
    odd.write_text("a list of something\n")
    with pytest.raises(UserError, match=r"odd\.txt is no list of validation labels"):
        find_images(root, odd)
    odd.write_text("1\n2\n")
    with pytest.raises(UserError, match=r"need .*meta\.mat.*No such file"):
        read_labels(odd)


def test_counts_other_than_the_original_are_named_by_class(tmp_path):
    lines = wrong_counts(find_images(make_tree(tmp_path / "tree", train=3, val=51)))
    assert len(lines) == 20
    assert lines[0] == "train/n01514668 (cock): 3 of 1300 images"
    assert lines[-1] == "val/n11939491 (daisy): 51 of 50 images"


# the draw


def _names(count, wnid="n01514668"):
    return [f"train/{wnid}/{wnid}_{i}.JPEG" for i in range(count)]


def _vals(count, wnid="n01514668"):
    return [f"val/{wnid}/ILSVRC2012_val_{i:08d}.JPEG" for i in range(count)]


def test_the_paper_s_counts():
    train, val = ({w: f(n, w) for w in WNIDS} for f, n in ((_names, 1300), (_vals, 50)))
    full, plain = make_plan(train, val), make_plan(train, val, augment=False)
    for jobs, expected in ((full, (30_000, 10_000)), (plain, (10_000, 3_500))):
        paths = [output.path for job in jobs for output in job.outputs]
        assert len(jobs) == 13_500
        assert tuple(sum(p.startswith(s) for p in paths) for s in ("train/", "test/")) == expected
        for wnid in WNIDS:
            moved = [j for j in jobs if j.source.startswith(f"train/{wnid}")]
            assert sum(j.outputs[0].path.startswith("test/") for j in moved) == 300
    copies = [len(j.outputs) - 1 for j in full if "test/" in j.outputs[0].path]
    assert {n: copies.count(n) for n in set(copies)} == {1: 500, 2: 3000}


@settings(max_examples=60, deadline=None)
@given(
    train=st.integers(1, 60),
    val=st.integers(0, 20),
    seed=st.integers(0, 2**40),
    shuffle=st.randoms(use_true_random=False),
)
def test_any_draw_keeps_the_sides_apart_and_depends_on_names_alone(train, val, seed, shuffle):
    names, others = _names(train), _vals(val)
    jobs = make_plan({WNIDS[0]: names}, {WNIDS[0]: others}, seed)
    assert [job.source for job in jobs] == sorted(names + others)
    paths = [output.path for job in jobs for output in job.outputs]
    assert len(set(paths)) == len(paths)
    sides = {job.source: {o.path.split("/")[0] for o in job.outputs} for job in jobs}
    assert all(len(side) == 1 for side in sides.values())
    assert all(sides[name] == {"test"} for name in others)
    moved = sum(sides[name] == {"test"} for name in names)
    assert abs(moved - train * 300 / 1300) <= 0.5
    kept, tested = train - moved, moved + val
    assert sum(p.startswith("train/") for p in paths) == 3 * kept
    assert abs(sum(p.startswith("test/") for p in paths) - tested * 20 / 7) <= 0.5
    for output in (output for job in jobs for output in job.outputs if output.look):
        assert -30 <= output.look.rotation <= 30
        assert 0.7 <= output.look.brightness <= 1.3
        assert 0.7 <= output.look.contrast <= 1.3
    shuffle.shuffle(names)
    shuffle.shuffle(others)
    assert make_plan({WNIDS[0]: names}, {WNIDS[0]: others}, seed) == jobs


def test_seeds_and_copies_differ():
    train, val = {WNIDS[0]: _names(130)}, {WNIDS[0]: _vals(5)}
    a, b = make_plan(train, val, 0), make_plan(train, val, 1)
    moved = [{j.source for j in jobs if "test/" in j.outputs[0].path} for jobs in (a, b)]
    assert moved[0] != moved[1]
    looks = [o.look for jobs in (a, b) for j in jobs for o in j.outputs[1:]]
    assert len(set(looks)) == len(looks)
    assert abs(np.mean([look.rotation for look in looks])) < 3


def test_two_images_for_one_path_are_refused():
    names = ["train/n01514668/a.JPEG", "train/n01514668/a.jpg"]
    with pytest.raises(UserError, match=r"both be written to train/n01514668/a\.JPEG"):
        make_plan({WNIDS[0]: names}, {WNIDS[0]: []})

"""The generated data: deterministic, in COCO's form, boxes where the packages are."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO

from mmresneskt.data.parcels import KINDS, draw_scene, scene, write_parcels
from mmresneskt.data.parcels.canvas import Canvas


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), width=st.integers(32, 300), height=st.integers(32, 300))
def test_any_size_gives_boxes_within_the_image(seed, width, height):
    image, packages, kinds = draw_scene(np.random.default_rng(seed), width, height)
    assert image.shape == (height, width, 3)
    assert image.dtype == np.uint8
    for package in packages:
        x1, y1, x2, y2 = package.box
        assert 0 <= x1 < x2 <= width
        assert 0 <= y1 < y2 <= height
        assert package.kind in KINDS
        assert package.mask[y1:y2, x1:x2].sum() == package.mask.sum() > 0
        assert (kinds[package.mask] == 1 + list(KINDS).index(package.kind)).all()


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_draws_and_varies(kind):
    drawings = []
    for seed in range(3):
        canvas = Canvas(96)
        KINDS[kind](canvas, np.random.default_rng(seed))
        assert 0.08 < (canvas.mask > 127).mean() < 1
        assert len(np.unique(canvas.image[canvas.mask > 127].reshape(-1, 3), axis=0)) > 5
        drawings.append(canvas.image)
    assert not np.array_equal(drawings[0], drawings[1])


def _first_count(seed):
    rng = np.random.default_rng(seed)
    rng.uniform()  # the light comes first
    return rng.integers(1, 3)


@pytest.mark.parametrize(("cover", "listed"), [(50, 2), (59, 2), (61, 1), (90, 1)])
def test_boxes_bound_what_is_drawn_and_hidden_packages_are_not_listed(cover, listed, monkeypatch):
    """Two placed rectangles, the second over ``cover`` per cent of the first."""
    places = iter([(20, 30, 120, 80), (120 - cover, 25, 150, 90)])

    def place(rng, kind, owner):
        x1, y1, x2, y2 = next(places)
        alpha = np.zeros_like(owner)
        alpha[y1:y2, x1:x2] = 255
        return np.full((*owner.shape, 3), 200, np.float32), alpha

    monkeypatch.setattr(scene, "_place", place)
    monkeypatch.setattr(scene, "_belt", lambda rng, w, h: np.zeros((h, w, 3)))
    two = next(s for s in range(99) if _first_count(s) == 2)
    packages = draw_scene(np.random.default_rng(two), 160, 120, most=2).packages
    boxes = [p.box for p in packages]
    assert boxes == [(20, 30, 120, 80), (120 - cover, 25, 150, 90)][-listed:]


def test_the_same_seed_gives_the_same_bytes_and_a_longer_set_begins_with_the_shorter(tmp_path):
    a = write_parcels(tmp_path / "a", 4, (96, 64), seed=7)
    b = write_parcels(tmp_path / "b", 6, (96, 64), seed=7)
    c = write_parcels(tmp_path / "c", 4, (96, 64), seed=8)
    for name in (f"{i:06d}.jpg" for i in range(4)):
        assert (a / "images" / name).read_bytes() == (b / "images" / name).read_bytes()
        assert (a / "images" / name).read_bytes() != (c / "images" / name).read_bytes()


def test_coco_reads_it(tmp_path, capfd):
    folder = write_parcels(tmp_path / "set", 30, (160, 120), seed=0)
    assert capfd.readouterr() == ("", "")  # OpenCV warns of settings that a format has not
    coco = COCO(folder / "annotations.json")
    assert [c["name"] for c in coco.loadCats(coco.getCatIds())] == list(KINDS)
    assert len(coco.imgs) == 30
    assert len(coco.anns) > 60
    for image in coco.imgs.values():
        assert cv2.imread(str(folder / "images" / image["file_name"])).shape == (120, 160, 3)
    for annotation in coco.anns.values():
        x, y, w, h = annotation["bbox"]
        assert annotation["area"] == w * h > 0
        name = coco.imgs[annotation["image_id"]]["file_name"].replace(".jpg", ".png")
        kinds = cv2.imread(str(folder / "kinds" / name), cv2.IMREAD_UNCHANGED)
        mask = coco.annToMask(annotation).astype(bool)
        assert mask.any()
        assert (kinds[mask] == annotation["category_id"]).all()


def test_kinds_are_balanced():
    counts = dict.fromkeys(KINDS, 0)
    for index in range(300):
        for package in draw_scene(np.random.default_rng((0, index)), 96, 96)[1]:
            counts[package.kind] += 1
    assert min(counts.values()) > 0.5 * max(counts.values())


def test_a_folder_that_is_there_is_left_alone_and_nothing_half_written_stays(tmp_path, monkeypatch):
    (tmp_path / "set").mkdir()
    write_parcels(tmp_path / "set", 3)
    assert not list((tmp_path / "set").iterdir())

    def fail(*arguments, **options):
        raise OSError("No space left on device")

    monkeypatch.setattr(cv2, "imwrite", fail)
    with pytest.raises(OSError, match="No space"):
        write_parcels(tmp_path / "other", 3)
    assert [p.name for p in tmp_path.iterdir()] == ["set"]


def test_bad_arguments_are_named(tmp_path):
    with pytest.raises(ValueError, match="num_images=0"):
        write_parcels(tmp_path / "x", 0)
    with pytest.raises(ValueError, match=r"size=\(16, 160\)"):
        write_parcels(tmp_path / "x", 1, (16, 160))

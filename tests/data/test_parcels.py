"""The generated data: deterministic, in COCO's form, boxes where the packages are."""

import json

import cv2
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO

from mmresneskt.data.parcels import ENDS, KINDS, draw_scene, scene, write_parcels
from mmresneskt.data.parcels.canvas import Canvas
from mmresneskt.data.parcels.points import TOPPED, corners, ends


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
        return np.full((*owner.shape, 3), 200, np.float32), alpha, np.zeros((4, 2))

    monkeypatch.setattr(scene, "_place", place)
    monkeypatch.setattr(scene, "_belt", lambda rng, w, h: np.zeros((h, w, 3)))
    two = next(s for s in range(99) if _first_count(s) == 2)
    packages = draw_scene(np.random.default_rng(two), 160, 120, most=2).packages
    boxes = [p.box for p in packages]
    assert boxes == [(20, 30, 120, 80), (120 - cover, 25, 150, 90)][-listed:]
    for package in packages:
        turned = shapely.Polygon(package.corners)
        assert turned.normalize().equals_exact(shapely.box(*package.box).normalize(), 1e-3)


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
        turned = shapely.Polygon(np.reshape(annotation["qbox"], (4, 2)))
        assert turned.area <= w * h + 1
        assert shapely.box(*turned.bounds).buffer(0.02).covers(shapely.box(x, y, x + w, y + h))
        assert turned.buffer(0.02).covers(shapely.points(np.argwhere(mask)[:, ::-1] + 0.5)).all()


@settings(max_examples=60, deadline=None)
@given(
    pixels=st.lists(st.tuples(st.integers(0, 90), st.integers(0, 70)), min_size=1, max_size=30),
    side=st.integers(1, 9),
)
def test_a_turned_box_is_the_smallest_that_holds_all_pixels(pixels, side):
    solid = np.zeros((80, 100), bool)
    for x, y in pixels:
        solid[y : y + side, x : x + side] = True
    squares = shapely.unary_union([shapely.box(x, y, x + 1, y + 1) for y, x in np.argwhere(solid)])
    turned = shapely.Polygon(corners(solid))
    assert turned.buffer(1e-3).covers(squares)
    assert turned.area == pytest.approx(squares.minimum_rotated_rectangle.area, rel=1e-4)


@settings(max_examples=60, deadline=None)
@given(
    corner=st.tuples(*[st.integers(5, 35)] * 2),
    sides=st.tuples(*[st.integers(20, 50)] * 2),
    odd=st.lists(st.tuples(st.integers(0, 3), st.floats(0, 1)), max_size=3),
)
def test_the_ends_are_the_middles_of_the_sides_whatever_pixels_stick_out(corner, sides, odd):
    (x1, y1), (x2, y2) = corner, np.add(corner, sides)
    mask = np.zeros((96, 96), np.uint8)
    mask[y1:y2, x1:x2] = 255
    for side, share in odd:
        x, y = int(x1 + share * (x2 - x1 - 1)), int(y1 + share * (y2 - y1 - 1))
        mask[[y1 - 1, y, y2, y][side], [x, x2, x, x1 - 1][side]] = 255
    x, y = (x1 + x2 - 1) / 2, (y1 + y2 - 1) / 2
    middles = [(x, y1), (x2 - 1, y), (x, y2 - 1), (x1, y)]
    assert np.abs(ends(mask) - middles).max() <= 2.5


def test_the_ends_turn_with_the_package():
    """The neck of a bottle is its top, and right is clockwise of it."""
    seen = 0
    for index in range(60):
        for package in draw_scene(np.random.default_rng((3, index)), 160, 160)[1]:
            x1, y1, x2, y2 = package.box
            top, right, bottom, left = package.points
            whole = x1 > 0 and y1 > 0 and x2 < 160 and y2 < 160
            if package.kind != "bottle" or package.covered.any() or not whole:
                continue
            pixels = np.argwhere(package.mask)[:, ::-1]
            nearer = np.linalg.norm(pixels - top, axis=1) < np.linalg.norm(pixels - bottom, axis=1)
            assert nearer.mean() < 0.45
            up, aside = top - bottom, right - left
            assert up[0] * aside[1] - up[1] * aside[0] > 0  # y is downwards
            for point in package.points:
                assert np.linalg.norm(pixels - point, axis=1).min() < 2
            seen += 1
    assert seen > 10


def test_keypoints_are_cocos(tmp_path):
    folder = write_parcels(tmp_path / "set", 30, (160, 120), seed=0)
    boxes = COCO(folder / "annotations.json").anns
    poses = json.loads((folder / "keypoints.json").read_text())
    assert poses["categories"] == [dict(id=1, name="package", keypoints=[*ENDS], skeleton=[])]
    topped = [1 + list(KINDS).index(kind) for kind in TOPPED]
    expected = [n for n, box in boxes.items() if box["category_id"] in topped]
    assert [pose["id"] for pose in poses["annotations"]] == expected
    found = np.zeros(3, int)
    for pose in poses["annotations"]:
        box = boxes[pose["id"]]
        for field in ("image_id", "bbox", "area", "segmentation", "iscrowd"):
            assert pose[field] == box[field]
        kinds = cv2.imread(str(folder / f"kinds/{pose['image_id']:06d}.png"), cv2.IMREAD_UNCHANGED)
        points = np.reshape(pose["keypoints"], (4, 3))
        seen = points[:, 2].astype(int)
        assert pose["num_keypoints"] == np.count_nonzero(seen)
        found += np.bincount(seen, minlength=3)
        assert not points[seen == 0].any()
        left, top, width, height = pose["bbox"]
        for x, y, _ in points[seen > 0]:
            assert left - 2 <= x <= left + width + 1
            assert top - 2 <= y <= top + height + 1
        for x, y, _ in points[seen == 1].round().astype(int):
            assert kinds[y, x] > 0
    assert (found > 0).all()


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

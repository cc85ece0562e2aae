"""mmresneskt serve: what is on the page is what the models find; strangers' files do no harm."""

import argparse
import contextlib
import importlib.util
import os
import re
import shutil
import signal
import socket
import sys

import cv2
import numpy as np
import pytest
from mmdet.apis import inference_detector, init_detector

from mmresneskt.cli import call
from mmresneskt.cli.arguments import add_model_arguments
from mmresneskt.cli.shown import Shown, look
from mmresneskt.cli.trained import Trained
from mmresneskt.runtime.config.load import load_config
from mmresneskt.runtime.errors import UserError, printable
from tests.support.helpers import start_tool
from tests.support.image_files import png_of_size
from tests.support.small_models import CLASSES, CLASSIFIER, DEPTH, PARCELS, TINY, save_model, scene

PLAIN = {"model.backbone.spatial_attention": False}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
MISSING = [name for name in ("gradio", "playwright") if importlib.util.find_spec(name) is None]
needs_browser = pytest.mark.skipif(
    bool(MISSING) or CHROMIUM is None,
    reason=f"not installed: {', '.join([*MISSING, *([] if CHROMIUM else ['chromium'])])}",
)
# a browser takes \\ for //
NAME = r"<img src=\\another.invalid\x onerror=alert(1)>.png"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images, the weights of a detector, and the work folder of one without spatial attention."""
    folder = tmp_path_factory.mktemp("serve")
    cv2.imwrite(str(folder / "x.png"), scene(1))
    cv2.imwrite(str(folder / "y.png"), scene(2, 200, 120))
    (folder / NAME).write_bytes(b"no image")
    save_model(folder / "w.pth", meta=dict(classes=CLASSES))
    (folder / "plain").mkdir()
    load_config(PARCELS, {**DEPTH, **PLAIN}).dump(folder / "plain" / "config.py")
    save_model(folder / "plain" / "best_coco_1.pth", meta=dict(classes=CLASSES), **PLAIN)
    return folder


def shown(*arguments):
    parser = argparse.ArgumentParser()
    add_model_arguments(parser)
    return Shown("a model", Trained(parser.parse_args(list(map(str, arguments)))))


@pytest.fixture(scope="module")
def detector(folder):
    return shown("--config", PARCELS, "--checkpoint", folder / "w.pth", *TINY)


@pytest.fixture(scope="module")
def plain(folder):
    return shown("--config", folder / "plain", "--checkpoint", folder / "plain" / "best_coco_1.pth")


def test_boxes_are_those_of_the_library(folder, detector):
    model = init_detector(load_config(PARCELS, DEPTH), str(folder / "w.pth"), device="cpu")
    expected = inference_detector(model, str(folder / "y.png")).pred_instances.numpy()
    message, (seen,), (attention,) = look([detector], folder / "y.png")
    assert message == "y.png"
    np.testing.assert_allclose(seen.found[0], expected.bboxes, atol=1e-3)
    np.testing.assert_allclose(seen.found[1], expected.scores, atol=1e-5)
    np.testing.assert_array_equal(seen.found[2], expected.labels)
    assert (seen.image == scene(2, 200, 120)[..., ::-1]).all()
    assert attention.shape[1] > 1000


def test_the_threshold_says_what_is_drawn(folder, detector):
    _, (seen,), _ = look([detector], folder / "x.png")
    scores = np.sort(seen.found[1])[::-1]
    between = float((scores[1] + scores[2]) / 2)
    all_drawn, words = detector.draw(seen, 0)
    assert words.startswith(f"{len(scores)} of {len(scores)} with a score of 0.00 or more: ")
    assert words.endswith(", ...")
    some, words = detector.draw(seen, between)
    names = [CLASSES[n] for n in seen.found[2][np.argsort(-seen.found[1], kind="stable")[:2]]]
    assert words.endswith(f": {names[0]} {scores[0]:.2f}, {names[1]} {scores[1]:.2f}")
    none, words = detector.draw(seen, 1)
    assert words == (
        f"0 of {len(scores)} with a score of 1.00 or more; the highest is "
        f"{names[0]} {scores[0]:.2f}"
    )
    changed = [(picture != none).any(2).sum() for picture in (some, all_drawn)]
    assert 0 < changed[0] < changed[1]


def test_a_large_image_is_shown_smaller_with_its_boxes(folder, tmp_path, detector):
    cv2.imwrite(str(tmp_path / "large.png"), cv2.resize(scene(1), (3200, 3200)))
    _, (seen,), _ = look([detector], tmp_path / "large.png")
    assert seen.image.shape == (1600, 1600, 3)
    assert 800 < seen.found[0].max() <= 1600


def test_a_classifier_and_a_detector_together(folder, tmp_path, detector):
    weights = save_model(tmp_path / "c.pth", CLASSIFIER, dict(classes=CLASSES))
    arguments = ["--config", CLASSIFIER, "--checkpoint", weights, *TINY]
    models = [detector, shown(*arguments)]
    _, (_, seen), maps = look(models, folder / "x.png")
    assert all(picture is not None for picture in maps)
    assert re.fullmatch(r"1 of 1 .* or more: kind \d 0\.\d\d", models[1].draw(seen, 0)[1])
    assert seen.found[0].tolist() == [[0, 0, 160, 160]]


def test_a_model_without_spatial_attention_says_so(folder, plain):
    assert plain.silent.startswith("ResNeSkt has no spatial attention")
    message, (seen,), maps = look([plain], folder / "x.png")
    assert (message, maps) == ("x.png", [None])
    assert len(seen.found[0]) > 0


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        (NAME, b"no image", "not an image in JPEG"),
        ("bomb.png", png_of_size(30000, 30000), "taken for a decompression bomb"),
        ("empty.jpg", b"", "the file is empty"),
        ("a\nb.png", b"x", "not an image"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(tmp_path, detector, name, data, why):
    (tmp_path / name).write_bytes(data)
    message, seen, maps = look([detector], tmp_path / name)
    start, _, reason = message.partition(" cannot be used: ")
    assert start == printable(name)
    assert reason.startswith(why) or why in reason
    assert "\n" not in message
    assert str(tmp_path) not in message
    assert (seen, maps) == (None, [None])


def test_a_file_that_has_gone_is_one_line(tmp_path, detector):
    assert look([detector], tmp_path / "x.png")[0] == (
        "x.png cannot be used: No such file or directory"
    )


def test_what_the_command_needs_is_said(folder, monkeypatch):
    give = "give the work folder of a training .*, or two"
    for arguments in ([], ["a", "b", "c"], ["--checkpoint", "x.pth"]):
        with pytest.raises(UserError, match=give):
            call("serve", arguments)
    with pytest.raises(UserError, match="--host no.such.host.invalid: "):
        call("serve", [str(folder / "plain"), "--host", "no.such.host.invalid"])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with pytest.raises(UserError, match=f"--host 127.0.0.1 --port {port}: .* in use"):
            call("serve", [str(folder / "plain"), "--port", port])
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(UserError, match=r'pip install "mmresneskt\[demo\]"'):
        call("serve", [str(folder / "plain")])


@pytest.fixture(scope="module")
def address(folder):
    """Of the page of two models; at the end nothing is left of it."""
    temporary = folder / "temporary"
    temporary.mkdir()
    arguments = ["plain", "--config", PARCELS, "--checkpoint", "w.pth", *TINY]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(temporary))
        process = start_tool("serve", *arguments, cwd=folder)
    lines = []
    with process:
        try:
            for line in process.stdout:
                lines.append(line)
                if found := re.match(r"page: (http://127\.0\.0\.1:\d+/) ", line):
                    yield found[1]
                    break
            process.send_signal(signal.SIGINT)
            rest = process.communicate(timeout=30)[0]
        finally:
            process.kill()
    assert process.returncode == 130, [*lines, rest]
    assert rest == "interrupted\n"
    assert list(temporary.iterdir()) == []


@pytest.fixture(scope="module")
def browser(address):
    """A browser's window; nothing that is opened in it asks another machine for anything."""
    from playwright.sync_api import sync_playwright

    requests, blocked, dialogs = [], [], []
    with sync_playwright() as playwright, contextlib.ExitStack() as stack:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        stack.callback(chromium.close)
        context = chromium.new_context()
        context.on("request", lambda request: requests.append(request.url))
        context.on("requestfailed", lambda r: blocked.append(r.url) if r.failure == "csp" else None)
        context.on("dialog", lambda dialog: dialogs.append(dialog.message))
        yield context
    assert len(requests) > 10
    # data: and blob: are in the page itself
    strange = [url for url in requests if not url.startswith((address, "data:", "blob:"))]
    assert strange == blocked  # by the page itself
    assert set(blocked) <= {"http://another.invalid/x"}
    assert dialogs == []


def opened(browser, address):
    page = browser.new_page()
    page.goto(address)
    page.wait_for_selector("#upload input[type=file]", state="attached")
    return page


def text(page, name):
    return page.locator(f"#{name} textarea, #{name} input").first.input_value()


def wait_for(page, name, part):
    page.wait_for_function(
        "([name, part]) => document.querySelector(`#${name} textarea, #${name} input`)"
        ".value.includes(part)",
        arg=[name, part],
        timeout=60_000,
    )


def size_of_picture(page, name):
    page.wait_for_function(
        "name => document.querySelector(`#${name} img`)?.naturalWidth", arg=name, timeout=60_000
    )
    picture = page.locator(f"#{name} img")
    return picture.evaluate("picture => [picture.naturalWidth, picture.naturalHeight]")


@needs_browser
def test_an_upload_in_a_browser(folder, address, browser, detector, plain):
    page = opened(browser, address)
    page.set_input_files("#upload input[type=file]", folder / "x.png")
    wait_for(page, "found-1", " of ")
    assert text(page, "name") == "x.png"
    for number, model in enumerate((detector, plain)):
        _, (seen,), _ = look([model], folder / "x.png")
        assert text(page, f"found-{number}") == model.draw(seen, 0.3)[1]
        assert size_of_picture(page, f"boxes-{number}") == [480, 480]
    assert size_of_picture(page, "attention-0")[0] > 1000
    assert "ResNeSkt has no spatial attention" in page.content()
    without = page.locator("#boxes-1 img").get_attribute("src")
    page.locator("input[type=number]").fill("0")
    wait_for(page, "found-1", "score of 0.00 or more")
    count = len(seen.found[0])
    assert text(page, "found-1").startswith(f"{count} of {count} ")
    assert page.locator("#boxes-1 img").get_attribute("src") != without
    page.close()


@needs_browser
def test_a_broken_file_in_a_browser(folder, address, browser):
    page = opened(browser, address)
    page.set_input_files("#upload input[type=file]", folder / NAME)
    wait_for(page, "name", "cannot be used: not an image in JPEG")
    assert page.locator("img[src*=invalid]").count() == 0
    page.locator("#examples img").first.click()  # the page still works
    wait_for(page, "name", "000000.jpg")
    wait_for(page, "found-0", " of ")
    page.close()


@needs_browser
def test_a_file_that_is_too_large_in_a_browser(folder, address, browser):
    (folder / "large").mkdir()
    with open(folder / "large" / NAME, "wb") as file:
        os.truncate(file.fileno(), 65 << 20)
    page = opened(browser, address)
    page.set_input_files("#upload input[type=file]", folder / "large" / NAME)
    page.get_by_text("exceed the maximum allowed size of 64.0 Mb").wait_for(timeout=60_000)
    page.close()


@needs_browser
def test_two_tabs_at_once(folder, address, browser):
    tabs = [opened(browser, address) for _ in range(3)]
    names = ("x.png", "y.png", "x.png")
    for tab, name in zip(tabs, names):
        tab.set_input_files("#upload input[type=file]", folder / name)
    for tab, name in zip(tabs, names):
        wait_for(tab, "found-1", " of ")
        assert text(tab, "name") == name
        assert size_of_picture(tab, "boxes-0") == ([480, 480] if name == "x.png" else [600, 360])
    for tab in tabs:
        tab.close()

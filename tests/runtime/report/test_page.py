"""The page itself: whole, safe and not too large, whatever names there are."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmresneskt.runtime.errors import printable
from mmresneskt.runtime.report.figures import confusion_figure
from mmresneskt.runtime.report.page import (
    LIMIT,
    Picture,
    Section,
    jpeg,
    plain_text,
    png,
    render,
)


def test_names_are_text_and_never_markup():
    name = "<script>alert('x')</script>\"><img onerror=y>"
    picture = Picture(name, ["data:image/png;base64,AAAA"])
    section = Section(name, [name], [name], [[name, None, 0.5]], [(name, "data:,")], [picture])
    page = render(name, {name: name}, [section]).decode()
    assert "<script" not in page
    assert "<img onerror" not in page
    assert page.count("&lt;script&gt;") == 12
    assert "<td>–</td><td>0.500</td>" in page
    assert "default-src 'none'" in page  # nothing could be loaded or run if there were any


@given(st.text(max_size=40))
@settings(max_examples=15, deadline=None)
def test_any_name_can_be_drawn(name):
    with plain_text():
        assert png(confusion_figure(Counter({(0, 0): 2}), [printable(name), "$\\frac$"]))


def test_of_many_classes_those_with_errors_are_drawn():
    pairs = Counter({(n, n): 1 for n in range(99)})
    pairs[98, 97] = 5
    axes = confusion_figure(pairs, [f"kind{n}" for n in range(99)]).axes[0]
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert len(labels) == 40
    assert labels[-2:] == ["kind97", "kind98"]


@pytest.mark.parametrize("side", [64, 720])
def test_a_photograph_is_small_even_of_noise(side):
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    assert len(jpeg(noise)) < 200_000


def test_a_page_that_is_too_large_has_no_pictures():
    pictures = [Picture("large", ["data:," + "x" * LIMIT])]
    page = render("run", {}, [Section("Worst", pictures=pictures)])
    assert len(page) < LIMIT
    assert b"Pictures are left out" in page

"""An argument of ResNeSkt that is not allowed is named, with its value."""

import pytest

from tests.support.small_models import small


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (dict(depth=51), KeyError, "depth=51.*14, 26, 50, 101, 200"),
        (dict(num_stages=5), ValueError, "num_stages=5.*1 to 4"),
        (dict(out_indices=(4,)), ValueError, "out_indices=4.*0 to 3"),
        (dict(frozen_stages=5), ValueError, "frozen_stages=5.*-1 to 4"),
        (dict(strides=(1, 2)), ValueError, r"strides=\(1, 2\)"),
        (dict(style="tensorflow"), ValueError, "style='tensorflow'"),
        (dict(drop_path_rate=1.0), ValueError, "drop_path_rate=1.0"),
        (dict(base_width=3), ValueError, "base_width=3"),
        (dict(radix=0), ValueError, "radix=0"),
        (dict(cardinality=3), ValueError, "cardinality=3.*attention width of 32"),
        (dict(reduction_factor=0), ValueError, "reduction_factor=0"),
        (dict(attention_groups=5), ValueError, "attention_groups=5"),
        (dict(spatial_groups=5), ValueError, "spatial_groups=5"),
        (dict(spatial_kernels=(3, 4)), ValueError, "spatial_kernels"),
        (dict(spatial_gate="relu"), ValueError, "spatial_gate='relu'"),
        (dict(gem_p=0), ValueError, "gem_p=0"),
        (
            dict(plugins=[dict(cfg=dict(type="ContextBlock"), position="after_conv4")]),
            ValueError,
            "position='after_conv4'",
        ),
        (
            dict(
                plugins=[dict(cfg=dict(type="ContextBlock", ratio=1), position="after_conv1")] * 2
            ),
            ValueError,
            "context_block stands twice",
        ),
        (
            dict(plugins=[dict(cfg={}, position="after_conv1", stages=(True,))]),
            ValueError,
            "stages=",
        ),
    ],
)
def test_a_bad_argument_is_named(arguments, error, text):
    with pytest.raises(error, match=text):
        small(**arguments)

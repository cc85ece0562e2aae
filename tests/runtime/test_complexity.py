"""The counter of parameters and operations against thop's and mmengine's."""

import pytest
import thop
import torch
from mmengine.analysis import ActivationAnalyzer, FlopAnalyzer
from mmengine.registry import MODELS, DefaultScope
from torch import nn
from torchvision.ops import deform_conv2d

from mmresneskt.paper.classification_table import row_config
from mmresneskt.runtime.complexity import build_for_counting, complexity
from mmresneskt.runtime.config.load import load_config
from tests.support.helpers import ROOT

PARCELS = ROOT / "configs" / "faster_rcnn_resneskt_parcels.py"


def build(name):
    cfg = row_config(name)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        return MODELS.build(cfg.model)


# thop hooks modules: it does not see the functional convolution of the spatial kernels, nor
# the parameters of timm's norms, which hold other modules
@pytest.mark.parametrize("name", ["resnet50", "senet50", "sknet50", "resnest50", "cbam_resnet50"])
def test_counts_are_thops(name):
    model = build(name)
    found = complexity(model, 96, 128)
    assert found.params == sum(p.numel() for p in model.parameters())
    counted = (nn.modules.conv._ConvNd, nn.Linear)
    leaves = [module for module in model.modules() if not list(module.children())]
    others = {type(module) for module in leaves if not isinstance(module, counted)}
    ignored = {kind: lambda module, inputs, output: None for kind in others}
    macs, _ = thop.profile(model, (torch.rand(1, 3, 96, 128),), custom_ops=ignored, verbose=False)
    assert found.macs == pytest.approx(macs, rel=1e-6)


@pytest.mark.parametrize("name", ["resneskt50", "resneskt50_2s32x4d", "resnext50"])
def test_counts_are_mmengines(name):
    model = build(name).eval()
    found = complexity(model, 96, 128)
    for analyzer, ours in ((FlopAnalyzer, found.macs), (ActivationAnalyzer, found.activations)):
        theirs = analyzer(model, torch.rand(1, 3, 96, 128)).unsupported_ops_warnings(False)
        products = ("conv", "linear", "addmm", "matmul", "bmm")
        counted = sum(theirs.by_operator()[product] for product in products)
        assert ours == pytest.approx(counted, rel=1e-6)


def test_activations_are_the_outputs_of_convolutions_and_products():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 4 * 6, 5)
    )
    found = complexity(model, 8, 12)
    assert found.activations == 4 * 4 * 6 + 5
    assert found.macs == 4 * 4 * 6 * 27 + 4 * 4 * 6 * 5
    assert found.params == 4 * 28 + 97 * 5


def test_what_is_not_counted_is_named():
    class Deformed(nn.Module):
        def forward(self, x):
            return deform_conv2d(x, x.new_zeros(1, 18, 8, 8), x.new_zeros(4, 3, 3, 3), padding=1)

    found = complexity(nn.Sequential(nn.Conv2d(3, 3, 1), Deformed()), 8, 8)
    assert found.uncounted == ("deform_conv2d",)
    assert found.macs == 9 * 64
    assert complexity(nn.Conv2d(3, 4, 1), 8, 8).uncounted == ()
    assert complexity(nn.ReLU(), 8, 8).macs == 0


def test_attention_is_counted():
    class Attention(nn.Module):
        def forward(self, x):
            tokens = x.flatten(2)
            return nn.functional.scaled_dot_product_attention(tokens, tokens, tokens)

    assert complexity(Attention(), 8, 8).macs == 2 * 3 * 3 * 64


def test_detectors_are_counted_too():
    cfg = load_config(str(PARCELS))
    small = build_for_counting(cfg, 96, 160)
    found = complexity(small, 96, 160)
    assert complexity(build_for_counting(cfg, 96, 160), 96, 160) == found
    assert found.params == sum(p.numel() for p in small.parameters())
    counter = FlopAnalyzer(small, torch.rand(1, 3, 96, 160)).unsupported_ops_warnings(False)
    assert found.macs == pytest.approx(counter.total(), rel=0.02)

"""The author's form against loops, against a network put together from timm, and both ways."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import mmresneskt
from mmresneskt import ResNeSkt, author_state_dict, load_resnest
from mmresneskt.network.author_attention import AuthorSpatialKernelAttention
from mmresneskt.network.fast import FastAuthorSpatialKernelAttention
from mmresneskt.runtime.onnx.features import export
from mmresneskt.runtime.onnx.trace import outputs
from tests.support import reference
from tests.support.author_network import author_network, stages
from tests.support.helpers import REDUCED, randomize

KINDS = [AuthorSpatialKernelAttention, FastAuthorSpatialKernelAttention]
SMALL = dict(depth=14, base_channels=16, stem_channels=16, spatial_attention="author")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize(
    ("groups", "kernels"), [(1, None), (4, (3, 5, 7)), (2, (1, 3)), (2, (5,)), (1, (1, 3, 5, 9))]
)
def test_equals_the_reference(kind, share, groups, kernels):
    module = kind(12, groups=groups, kernels=kernels, share_kernels=share)
    randomize(module).double().eval()
    v = torch.randn(2, 12, 6, 5, dtype=torch.float64).relu()
    expected, weights = reference.author_spatial_kernel_attention(module, v.numpy())
    with torch.no_grad():
        np.testing.assert_allclose(module(v).numpy(), expected, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(module.attention(v)[1].numpy(), weights, rtol=1e-10)


@settings(max_examples=25, deadline=None)
@given(groups=st.sampled_from([1, 3]), share=st.booleans(), seed=st.integers(0, 99))
def test_the_hand_written_passes_equal_autograds(groups, share, seed):
    plain, fast = (kind(12, groups=groups, share_kernels=share) for kind in KINDS)
    fast.load_state_dict(randomize(plain).state_dict())
    torch.manual_seed(seed)
    v, grad = torch.randn(2, 2, 12, 5, 6, dtype=torch.float64)
    found = []
    for module in (plain.double(), fast.double()):
        leaf = v.clone().requires_grad_()
        out = module(leaf)
        found.append((out, *torch.autograd.grad(out, (leaf, *module.parameters()), grad)))
    for mine, other in zip(*found):
        torch.testing.assert_close(mine, other, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_gradcheck_and_every_parameter_learns(kind):
    module = randomize(kind(4, groups=2, gem_trainable=True)).double()
    for _, norm in module.conv_norm_pairs():
        torch.nn.init.constant_(norm.bias, 1.0)  # no ReLU is closed
    v = torch.rand(2, 4, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(module, (v,))
    module(v).square().sum().backward()
    learnt = [p for name, p in module.named_parameters() if not name.endswith("0.bias")]
    assert all(p.grad.abs().max() > 0 for p in learnt)  # a norm takes a bias before it out again


@pytest.mark.parametrize("depth", [50, 101])
@pytest.mark.parametrize("avd_first", [False, True], ids=["pooling after", "pooling before"])
def test_every_stage_equals_the_authors(depth, avd_first):
    stem = 32 if depth == 50 else 64
    theirs = randomize(author_network(depth, stem, avd_first)).eval()
    ours = ResNeSkt(depth, stem_channels=2 * stem, spatial_attention="author", avd_first=avd_first)
    report = load_resnest(ours, theirs.state_dict())
    assert report.layout == "author's"
    assert not report.untouched
    images = torch.randn(2, 3, 67, 93)
    with torch.no_grad():
        for mine, other in zip(ours.eval()(images), stages(theirs, images)):
            assert (mine - other).abs().max() <= 1e-5 * other.abs().max()


def test_his_names_both_ways(tmp_path):
    theirs = author_network(50, 32, avd_first=False)
    ours = randomize(ResNeSkt(50, spatial_attention="author", avd_first=False))
    saved = author_state_dict(ours)
    missing, unexpected = theirs.load_state_dict(saved, strict=False)
    assert missing == ["fc.weight", "fc.bias"]
    assert not unexpected
    torch.save(dict(state_dict=saved), tmp_path / "his.pth")
    again = ResNeSkt(
        50,
        spatial_attention="author",
        init_cfg=dict(type="ResNeStPretrained", checkpoint=str(tmp_path / "his.pth")),
    )
    again.init_weights()
    for name, value in ours.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    with pytest.raises(ValueError, match=r"do not fit this backbone.*spatial_attention\."):
        load_resnest(ResNeSkt(50), saved)
    with pytest.raises(ValueError, match="spatial_attention='author'"):
        author_state_dict(ResNeSkt(14))


@pytest.mark.parametrize(
    ("depth", "stem", "millions"), [(50, 64, 27.49), (101, 128, 48.28), (200, 128, 70.22)]
)
def test_parameters(depth, stem, millions):
    with torch.device("meta"):
        model = ResNeSkt(depth, stem_channels=stem, spatial_attention="author")
    head = 2048 * 1000 + 1000
    assert round(sum(p.numel() for p in model.parameters()) / 1e6 + head / 1e6, 2) == millions
    attention = model.layer2[1].spatial_attention
    assert sum(p.numel() for p in attention.parameters()) == 266


def test_beside_resnests_weights_it_starts_as_near_to_resnest_as_it_can():
    plain = randomize(ResNeSkt(**{**SMALL, "spatial_attention": False}))
    ours = ResNeSkt(**SMALL)
    load_resnest(ours, plain.state_dict())
    images = torch.randn(4, 3, 64, 64)
    for train, tolerance in ((True, 1e-3), (False, 2e-2)):
        with torch.no_grad():
            pairs = zip(*(copy.deepcopy(m).train(train)(images) for m in (ours, plain)))
            for mine, other in pairs:
                assert (mine - other).norm() <= tolerance * other.norm()


@pytest.mark.parametrize(
    "arguments",
    [
        dict(),
        dict(cardinality=2, spatial_share_kernels=False, with_cp=True),
        dict(norm_cfg=dict(type="GN", num_groups=8), spatial_kernels=(3, 5)),
        dict(norm_eval=True, frozen_stages=1, gem_trainable=True),
    ],
)
def test_every_option_of_the_backbone_trains(arguments):
    model = ResNeSkt(**{**SMALL, **arguments}).train()
    sum(out.mean() for out in model(torch.rand(1, 3, 33, 47))).backward()
    frozen = [p for p in model.parameters() if not p.requires_grad]
    assert bool(frozen) == ("frozen_stages" in arguments)
    grads = [p.grad for p in model.parameters() if p.requires_grad]
    assert all(grad is not None and grad.isfinite().all() for grad in grads)


def test_deployed_exported_and_compiled_it_is_the_same():
    pytest.importorskip("onnxruntime")
    model = randomize(ResNeSkt(**SMALL)).eval()
    deployed = mmresneskt.deploy(model)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in deployed.modules())
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        wanted = model(images)
        exported = outputs(export(deployed, images, 17, {}), [images])[0]
        graph = torch.compile(model, backend="eager", fullgraph=True)(images)
        for expected, *others in zip(wanted, deployed(images), exported, graph):
            for found in others:
                assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("dtype", REDUCED)
def test_under_autocast_it_stays_finite_at_ten_thousand(dtype):
    torch.manual_seed(0)
    module = randomize(FastAuthorSpatialKernelAttention(16))
    v = torch.full((2, 16, 6, 6), 1e4)
    with torch.autocast("cpu", dtype):
        half = v.to(dtype).requires_grad_()
        out = module(half)
    out.float().mean().backward()
    assert out.dtype == dtype
    assert half.grad.isfinite().all()

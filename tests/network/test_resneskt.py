"""What users of MMDetection and MMPretrain expect of a drop-in backbone."""

import copy
import itertools
import math

import pytest
import torch
from mmcv.cnn import fuse_conv_bn
from mmcv.cnn.bricks import ConvWS2d
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmresneskt import ResNeSkt
from mmresneskt.network.bottleneck import Bottleneck
from mmresneskt.network.spatial_kernel_attention import SpatialKernelAttention
from tests.support.helpers import randomize
from tests.support.small_models import small


def loss(outs):
    return sum(out.square().mean() for out in outs)


@pytest.mark.parametrize("size", [(64, 64), (65, 97), (33, 50), (32, 32)])
def test_strides_channels_and_odd_sizes(size):
    outs = small(base_channels=64).eval()(torch.rand(1, 3, *size))
    for stage, out in enumerate(outs):
        expected = [math.ceil(n / 2 ** (stage + 2)) for n in size]
        assert out.shape == (1, 256 * 2**stage, *expected)


@pytest.mark.parametrize("avg_down", [True, False])
@pytest.mark.parametrize("avd_first", [True, False])
@pytest.mark.parametrize("style", ["pytorch", "caffe"])
@pytest.mark.parametrize("avg_down_stride", [True, False])
def test_every_placing_of_the_stride_agrees_with_the_shortcut(
    avg_down, avd_first, style, avg_down_stride
):
    model = small(
        avg_down=avg_down, avd_first=avd_first, style=style, avg_down_stride=avg_down_stride
    )
    outs = model.eval()(torch.rand(1, 3, 61, 45))
    assert [tuple(out.shape[2:]) for out in outs] == [(16, 12), (8, 6), (4, 3), (2, 2)]


@pytest.mark.parametrize("out_indices", [(3,), (0, 2), (1,), [0, 1, 2, 3]])
def test_a_tuple_of_the_chosen_stages(out_indices):
    model = small(out_indices=out_indices).eval()
    x = torch.rand(1, 3, 32, 32)
    outs = model(x)
    assert isinstance(outs, tuple)
    model.out_indices = (0, 1, 2, 3)
    every = model(x)
    for out, index in zip(outs, out_indices):
        assert torch.equal(out, every[index])


def test_fewer_stages_dilation_and_other_inputs():
    model = small(
        in_channels=1, num_stages=3, strides=(1, 2, 1), dilations=(1, 1, 2), out_indices=(2,)
    ).eval()
    (out,) = model(torch.rand(2, 1, 64, 64))
    assert out.shape == (2, 16 * 4 * 4, 8, 8)
    assert model.feat_dim == 16 * 4 * 4
    assert model.layer3[0].conv2.conv.dilation == (2, 2)


@pytest.mark.parametrize("frozen", [-1, 0, 1, 3, 4])
def test_frozen_stages_stay_in_eval_without_gradients(frozen):
    model = small(frozen_stages=frozen)
    assert model.train() is model
    model(torch.rand(2, 3, 32, 32))[-1].sum()
    parts = [model.stem, model.layer1, model.layer2, model.layer3, model.layer4]
    for index, part in enumerate(parts):
        cold = index <= frozen
        assert all(p.requires_grad != cold for p in part.parameters()), index
        assert all(m.training != cold for m in part.modules()), index


def test_norm_eval_covers_the_attentions():
    model = small(norm_eval=True).train()
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm)]
    assert sum("Norm" in type(m).__name__ for m in norms) == len(norms) > 20
    assert not any(m.training for m in norms)
    assert model.layer1[0].spatial_attention.training
    before = copy.deepcopy(model.state_dict())
    model(torch.rand(2, 3, 32, 32))
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize(
    ("norm_cfg", "kind"),
    [
        (dict(type="BN", requires_grad=True), nn.BatchNorm2d),
        (dict(type="SyncBN", requires_grad=True), nn.SyncBatchNorm),
        (dict(type="GN", num_groups=8, requires_grad=True), nn.GroupNorm),
        (dict(type="GN", num_groups=32, requires_grad=True), nn.GroupNorm),
    ],
)
def test_every_norm_is_built_from_norm_cfg(norm_cfg, kind):
    model = small(norm_cfg=norm_cfg, base_channels=32, stem_channels=64)
    norms = [m for m in model.modules() if isinstance(m, (_BatchNorm, nn.GroupNorm))]
    assert all(isinstance(m, kind) for m in norms)
    assert len(norms) == 3 + 4 * (5 + 1)  # the stem's; each block's and its shortcut's
    model.eval()(torch.rand(1, 3, 32, 32))
    if kind is not nn.SyncBatchNorm:  # which has no CPU kernel: mmengine's runner replaces it
        loss(model.train()(torch.rand(1, 3, 64, 64))).backward()


def test_conv_cfg_reaches_every_convolution_of_feature_maps():
    model = small(conv_cfg=dict(type="ConvWS"))
    plain = [n for n, m in model.named_modules() if type(m) is nn.Conv2d]
    assert all(".fc" in n or ".select" in n for n in plain), plain
    assert sum(isinstance(m, ConvWS2d) for m in model.modules()) == 3 + 4 * 4
    model.eval()(torch.rand(1, 3, 32, 32))


def test_a_batch_of_one_trains():
    model = small().train()
    loss(model(torch.rand(1, 3, 64, 64))).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("spatial_groups", [None, 2, 8])
@pytest.mark.parametrize("cardinality", [1, 4])
def test_every_parameter_gets_a_gradient(cardinality, spatial_groups):
    model = randomize(small(cardinality=cardinality, spatial_groups=spatial_groups)).train()
    loss(model(torch.rand(2, 3, 64, 64))).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("form", ["paper", "author"])
@pytest.mark.parametrize("share", [True, False])
def test_gradients_lie_in_memory_as_the_parameters_do(form, share):
    """DistributedDataParallel copies, with a warning, those that do not."""
    model = ResNeSkt(
        14,
        base_channels=16,
        stem_channels=16,
        cardinality=2,
        spatial_attention=form,
        spatial_share_kernels=share,
    )
    sum(out.sum() for out in model(torch.rand(2, 3, 64, 64))).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.stride() == parameter.stride(), name


def test_checkpointing_changes_nothing():
    plain = randomize(small(norm_eval=True)).train()
    saving = small(norm_eval=True, with_cp=True).train()
    saving.load_state_dict(plain.state_dict())
    x = torch.rand(2, 3, 48, 48)
    outs = plain(x), saving(x)
    for a, b in zip(*outs):
        assert torch.equal(a, b)
    for out in outs:
        loss(out).backward()
    pairs = zip(plain.named_parameters(), saving.parameters())
    for (name, a), b in pairs:
        torch.testing.assert_close(a.grad, b.grad, msg=name)
    assert saving.layer2[0].with_cp


@pytest.mark.parametrize("zero", [True, False])
def test_zero_init_residual(zero):
    model = small(zero_init_residual=zero)
    model.init_weights()
    blocks = [m for m in model.modules() if isinstance(m, Bottleneck)]
    for block in blocks:
        assert block.bn3.weight.any() != zero


def test_init_cfg_is_applied_and_spares_the_identity():
    model = small(init_cfg=dict(type="Constant", val=0.25, layer="Conv2d"))
    model.init_weights()
    assert (model.layer3[0].conv1.weight == 0.25).all()
    for module in model.modules():
        if isinstance(module, SpatialKernelAttention):
            assert not any(kernel.any() for kernel in module.kernels)


def test_pretrained_wins_over_zero_init(tmp_path):
    source = randomize(small())
    torch.save(dict(state_dict=source.state_dict()), tmp_path / "w.pth")
    model = small(init_cfg=dict(type="Pretrained", checkpoint=str(tmp_path / "w.pth")))
    model.init_weights()
    for name, value in model.state_dict().items():
        assert torch.equal(value, source.state_dict()[name]), name


def test_drop_path_grows_linearly_and_spares_the_shortcut():
    model = ResNeSkt(26, base_channels=16, stem_channels=16, drop_path_rate=0.7)
    blocks = [m for m in model.modules() if isinstance(m, Bottleneck)]
    rates = [getattr(b.drop_path, "drop_prob", 0.0) for b in blocks]
    assert rates == pytest.approx([0.1 * i for i in range(8)])
    block = model.layer4[1].train()
    block.drop_path.drop_prob = 1 - 1e-9  # every sample is dropped
    x = torch.rand(2, 512, 4, 4)
    torch.testing.assert_close(block(x), x)


def test_spatial_attention_off_is_resnest_and_fresh_is_the_same_to_the_bit():
    fresh, plain = small(), small(spatial_attention=False)
    assert not any("spatial" in name for name in plain.state_dict())
    plain.load_state_dict(fresh.state_dict(), strict=False)
    x = torch.rand(2, 3, 64, 64)
    for a, b in zip(fresh(x), plain(x)):
        assert torch.equal(a, b)


@pytest.mark.parametrize("shared", [True, False])
def test_channels_last_agrees(shared):
    model = randomize(small(cardinality=2, spatial_share_kernels=shared)).eval()
    x = torch.rand(2, 3, 64, 64)
    expected = model(x)
    last = dict(memory_format=torch.channels_last)
    found = model.to(**last)(x.to(**last))
    for a, b in zip(expected, found):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("train", [True, False])
def test_hooks_see_both_attentions(train):
    block = randomize(small()).train(train).layer1[0]
    x = torch.rand(2, 16, 16, 16)
    seen = []
    for module in (block.conv2, block.spatial_attention):
        module.register_forward_hook(lambda module, x, out: seen.append(out.clone()))
    pre_hook = block.spatial_attention.register_forward_pre_hook(lambda m, v: seen.append(v[0] + 0))
    with torch.set_grad_enabled(train):
        block(x)
        pre_hook.remove()
        v, given, out = seen
        assert v.shape == (2, block.conv2.channels, 16, 16)
        assert torch.equal(v, given)
        factor, _ = block.spatial_attention.attention(v)
    if not train:
        torch.testing.assert_close(out, v * factor)


def test_a_hook_may_put_another_v_in_its_place():
    block = randomize(small()).eval().layer1[0]
    x = torch.rand(2, 16, 16, 16)
    wanted = block(x)
    mine = []

    def instead(module, x, v):
        mine.append(v.detach().clone().requires_grad_())
        return mine[0]

    block.conv2.register_forward_hook(instead)
    found = block(x)
    torch.testing.assert_close(found, wanted)
    found.square().mean().backward()
    assert mine[0].grad.abs().max() > 0


def test_libraries_that_fold_norms_by_their_order_change_nothing():
    model = randomize(small(cardinality=2, spatial_share_kernels=False)).eval()
    x = torch.rand(2, 3, 64, 64)
    fused = fuse_conv_bn(copy.deepcopy(model))
    assert not any(isinstance(module, _BatchNorm) for module in fused.modules())
    with torch.no_grad():
        for wanted, found in zip(model(x), fused(x)):
            assert (wanted - found).abs().max() <= 1e-5 * wanted.abs().max()


def test_the_meta_device_gives_shapes():
    outs = small().to("meta")(torch.empty(2, 3, 64, 64, device="meta"))
    assert [out.shape[1] for out in outs] == [64, 128, 256, 512]


def test_dcn_replaces_the_chosen_convolutions():
    dcn = dict(type="DCNv2", deform_groups=1, fallback_on_stride=False)
    model = small(dcn=dcn, stage_with_dcn=(False, True, True, False))
    kinds = [type(getattr(model, f"layer{i}")[0].conv2.conv).__name__ for i in (1, 2, 3, 4)]
    assert kinds == ["Conv2d", *["ModulatedDeformConv2dPack"] * 2, "Conv2d"]
    loss(model(torch.rand(2, 3, 64, 64))).backward()
    assert model.layer2[0].conv2.conv.weight.grad.abs().max() > 0
    model.init_weights()
    assert not model.layer2[0].conv2.conv.conv_offset.weight.any()
    falling_back = small(
        dcn=dict(dcn, fallback_on_stride=True), stage_with_dcn=(False, True, True, True)
    )
    assert type(falling_back.layer2[0].conv2.conv) is nn.Conv2d  # its first block has a stride


def test_plugins_stand_where_they_are_asked_for():
    plugins = [
        dict(
            cfg=dict(type="ContextBlock", ratio=1 / 4, postfix=f"_{position}"),
            stages=(False, True, False, False),
            position=position,
        )
        for position in ("after_conv1", "after_conv2", "after_conv3")
    ]
    model = small(plugins=plugins)
    names = [name for name, _ in model.layer2[0].named_children() if "context" in name]
    assert len(names) == 3
    assert not any("context" in name for name, _ in model.layer1.named_modules())
    loss(model(torch.rand(2, 3, 64, 64))).backward()
    for name in names:
        for parameter in getattr(model.layer2[0], name).parameters():
            assert parameter.grad is not None


def test_layer_depth_is_that_of_mmpretrains_resnet():
    peers = pytest.importorskip("mmpretrain.models.backbones")
    for depth in (50, 101):
        ours, theirs = ResNeSkt(depth), peers.ResNet(depth)
        for name in itertools.chain(
            (f"backbone.{k}" for k, _ in theirs.named_parameters() if k.startswith("layer")),
            ("backbone.conv1.weight", "head.fc.weight"),
        ):
            expected = theirs.get_layer_depth(name, "backbone.")
            assert ours.get_layer_depth(name, "backbone.") == expected, name
        assert ours.feat_dim == theirs.feat_dim
    assert ResNeSkt(14).get_layer_depth("layer4.0.conv1.weight") == (4, 6)


def test_compiles_without_graph_breaks():
    for train in (True, False):
        model = randomize(small()).train(train)
        x = torch.rand(2, 3, 64, 64)
        compiled = torch.compile(copy.deepcopy(model), fullgraph=True, backend="aot_eager")
        for a, b in zip(model(x), compiled(x)):
            torch.testing.assert_close(a, b)

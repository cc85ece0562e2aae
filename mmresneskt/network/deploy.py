"""Batch norms folded into the convolutions before them, for inference."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator

import torch
from mmengine.model import is_model_wrapper
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .bottleneck import Bottleneck
from .resneskt import ResNeSkt
from .spatial_kernel_attention import SpatialKernelAttention
from .split_attention import SplitAttentionConv2d


def deploy(model: nn.Module) -> nn.Module:
    """A copy of a model for inference, the batch norms of its ResNeSkt folded.

    The model may be a ResNeSkt or hold one, as a detector or a classifier does; everything else in
    it stays as it is. So do, of the ResNeSkt, other norms than batch norm, norms without running
    statistics, and those behind deformable or weight-standardised convolutions.

    Returns:
        A copy in eval mode whose parameters need no gradient, with the same outputs but for
        rounding; ``nn.Identity`` stands where norms were. ``model`` stays as it was. Deploying a
        copy again changes nothing.

    Raises:
        TypeError: ``model`` is no module, or one that is wrapped, compiled or scripted.
    """
    _check(model)
    model = copy.deepcopy(model)
    model.eval()  # the libraries' ResNets return None
    backbones = [module for module in model.modules() if isinstance(module, ResNeSkt)]
    pairs = [pair for backbone in backbones for pair in _pairs(backbone)]
    uses = Counter(module for pair in pairs for module in pair)
    folded: dict[nn.Module, nn.Module] = {}
    for conv, norm in pairs:
        if type(conv) is not nn.Conv2d or not isinstance(norm, _BatchNorm):
            continue
        if norm.track_running_stats and uses[conv] == uses[norm] == 1:
            folded[conv], folded[norm] = fuse_conv_bn_eval(conv, norm), nn.Identity().eval()
    for parent in list(model.modules()):
        for name, child in parent._modules.items():  # named_children() leaves out second names
            if child in folded:
                setattr(parent, name, folded[child])
    return model.requires_grad_(False)


def _check(model: object) -> None:
    if not isinstance(model, nn.Module):
        raise TypeError(f"deploy takes a model (torch.nn.Module), not {type(model).__name__}")
    kind = type(model).__name__
    if is_model_wrapper(model):
        raise TypeError(f"{kind} is for training on several processes: deploy(model.module)")
    if isinstance(model, torch.jit.ScriptModule) or hasattr(model, "_orig_mod"):
        raise TypeError(f"{kind} is compiled: deploy the model first, then compile what comes back")


def _pairs(backbone: ResNeSkt) -> Iterator[tuple[nn.Module, nn.Module]]:
    """The convolutions of a ResNeSkt, each with the module that alone takes its result."""
    stem = list(backbone.stem)
    yield from zip(stem[::3], stem[1::3])
    for module in backbone.modules():
        if isinstance(module, Bottleneck):
            yield module.conv1, module.bn1
            yield module.conv3, module.bn3
            if module.downsample is not None:
                yield module.downsample[-2], module.downsample[-1]
        elif isinstance(module, SplitAttentionConv2d):
            yield module.conv, module.bn0
            yield module.fc1, module.bn1
        elif isinstance(module, SpatialKernelAttention):
            yield from module.conv_norm_pairs()

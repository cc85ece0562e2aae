"""Normalisation of attention vectors, which may hold one value per channel.

The attention branches normalise globally pooled vectors. A training batch of one
then leaves a single value per channel, for which batch statistics do not exist:
PyTorch raises "Expected more than 1 value per channel when training".
"""

import math

import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm

_MIN_CHANNELS_PER_GROUP = 8


def build_vector_norm(norm_cfg: dict, channels: int) -> nn.Module:
    """Build the norm of an attention vector (N, channels, L, 1).

    Group norm over one channel and one position returns its bias whatever the input, so
    the number of groups is lowered until each holds at least eight channels. Every
    other type is built as ``norm_cfg`` says.
    """
    if norm_cfg["type"] == "GN":
        most = max(channels // _MIN_CHANNELS_PER_GROUP, 1)
        groups = math.gcd(math.gcd(norm_cfg["num_groups"], channels), most)
        norm_cfg = {**norm_cfg, "num_groups": groups}
    return build_norm_layer(norm_cfg, channels)[1]


def normalize_vector(norm: nn.Module, x: Tensor) -> Tensor:
    """Apply ``norm`` to x (N, C, L, 1), with running statistics where N*L is 1.

    SyncBN over several processes is left alone: it gathers its statistics from all of
    them, and a process that stayed away would block the others.
    """
    if norm.training and isinstance(norm, _BatchNorm) and x.numel() == x.size(1):
        synchronized = (
            isinstance(norm, nn.SyncBatchNorm)
            and distributed.is_available()
            and distributed.is_initialized()
            and distributed.get_world_size(norm.process_group) > 1
        )
        if not synchronized and norm.track_running_stats:
            return F.batch_norm(
                x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps
            )
    return norm(x)

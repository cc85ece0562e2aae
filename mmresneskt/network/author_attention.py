"""The spatial attention as the paper's first author coded it.

Paper and code disagree: docs/reproduce.md holds them side by side. This module is written from the
facts of that code. Poolings, gate and everything around them are those of the paper's form.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from .channel_pool import MAPS
from .spatial_kernel_attention import SpatialKernelAttention, backward_layout, no_autocast
from .vector_norm import build_vector_norm, normalize_vector

_OPEN = 4.0  # sigmoid: 0.982, and 0.018 of the gradient passes


class AuthorSpatialKernelAttention(SpatialKernelAttention):
    """:class:`SpatialKernelAttention` with another choice between the kernel sizes.

    Each branch is a convolution with a bias, a norm and a ReLU. T, the mean of the branches' sum,
    is one number, and so is Z, a linear function of it; each branch's logit is a linear function
    of Z. Arguments, shapes and errors are those of the paper's form, with his kernels and his
    gate as defaults. Its start is random: no gate is the identity.
    """

    KERNELS = (3, 5, 7)
    GATE = "sigmoid"

    def _build(self, norm_cfg: dict) -> None:
        sets = self.sets

        def scalar() -> nn.Conv2d:
            return nn.Conv2d(sets, sets, 1, groups=sets)  # of each set, a * x + b

        self.convs = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(MAPS * sets, sets, size, padding=size // 2, groups=sets),
                build_vector_norm(norm_cfg, sets),
                nn.ReLU(inplace=True),
            )
            for size in self.sizes
        )
        self.fc = scalar()
        self.fcs = nn.ModuleList(scalar() for _ in self.sizes)

    def choose(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Pooled maps (N, K, 3, H, W) -> U (N, K, H, W) and the weights (N, K, branches).

        Not under autocast, as in the paper's form.
        """
        with no_autocast(maps.device.type):
            maps = maps.flatten(0, 1) if self.sets == 1 else maps.flatten(1, 2)
            maps = backward_layout(maps.to(self.fc.weight.dtype))
            branches = [self._branch(maps, *layers.children()) for layers in self.convs]
            t = torch.stack([branch.mean((2, 3), keepdim=True) for branch in branches]).sum(0)
            z = self.fc(t)
            weights = torch.stack([fc(z) for fc in self.fcs]).softmax(0)
            u = sum(weight * branch for weight, branch in zip(weights, branches))
        shape = (-1, self.groups, len(self.sizes))
        return (
            u.flatten(0, 1).unflatten(0, (-1, self.groups)),
            weights.flatten(1).movedim(0, -1).reshape(shape),
        )

    def conv_norm_pairs(self) -> Iterator[tuple[nn.Module, nn.Module]]:
        for layers in self.convs:
            conv, norm, _ = layers.children()
            yield conv, norm

    def open_gates(self) -> None:
        """Start with one gate for all positions, near 1, as beside weights trained without it.

        The branches' norms begin at weight 0 and bias 4: the gate is 0.98, which in training the
        block's last norm takes out again. All parameters can be learnt from there.
        """
        for _, norm in self.conv_norm_pairs():
            parameters = dict(norm.named_parameters())
            nn.init.zeros_(parameters["weight"])
            nn.init.constant_(parameters["bias"], _OPEN)

    @staticmethod
    def _branch(maps: Tensor, conv: nn.Module, norm: nn.Module, relu: nn.Module) -> Tensor:
        return relu(normalize_vector(norm, conv(maps)))  # a map of one position has no variance

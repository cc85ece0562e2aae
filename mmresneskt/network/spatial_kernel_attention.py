"""Spatial-Kernel Attention: the part that ResNeSkt adds to ResNeSt.

Equations (4) and (5) and the paragraph around them: three poolings over the channel axis, several
kernel sizes over the three maps, and a soft choice between the kernel sizes as in
Li et al., "Selective Kernel Networks" (arXiv:1903.06586).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .channel_pool import MAPS, ChannelPool
from .vector_norm import build_vector_norm, normalize_vector

_HIDDEN = 32  # the paper's "compact" Z: SKNet's lower bound

GATES: dict[str, Callable[[Tensor], Tensor]] = {
    "double_sigmoid": lambda u: u.sigmoid().mul(2),
    "sigmoid": torch.sigmoid,
    "linear": lambda u: u,
}
"""How U becomes the factor of V: 2*sigmoid(U), exactly 1 at U = 0 (the default);
CBAM's sigmoid(U), 1/2 there; U itself, as the paper prints it, 0 there."""


class SpatialKernelAttention(nn.Module):
    """Gate every position of V by one value per group.

    Args:
        channels: C, channels of V.
        groups: K; each group of C/K channels has a gate of its own.
        kernels: sizes of the square kernels, odd, one branch each; None means ``KERNELS``.
        gem_p, gem_trainable: of :class:`ChannelPool`.
        gate: a name in :data:`GATES`; None means ``GATE``.
        share_kernels: the groups use one set of kernels and of dense layers, not one each.
        norm_cfg: of the norm before Z.

    With the sigmoid gates the kernels start at zero, so that a fresh module multiplies
    by a constant: with ``double_sigmoid`` it is the identity, bit for bit.

    Raises:
        ValueError: naming the argument of ResNeSkt, its value and what is allowed.
    """

    KERNELS: tuple[int, ...] = (3, 5)
    GATE = "double_sigmoid"

    def __init__(
        self,
        channels: int,
        groups: int = 1,
        kernels: Sequence[int] | None = None,
        gem_p: float = 3.0,
        gem_trainable: bool = False,
        gate: str | None = None,
        share_kernels: bool = True,
        norm_cfg: dict | None = None,
    ) -> None:
        super().__init__()
        kernels = self.KERNELS if kernels is None else kernels
        gate = gate or self.GATE
        if groups < 1 or channels % groups:
            raise ValueError(
                f"spatial_groups={groups} does not divide a block's width of {channels}"
            )
        if not kernels or any(k < 1 or k % 2 == 0 for k in kernels):
            raise ValueError(
                f"spatial_kernels={tuple(kernels)} is not allowed: give one or more odd sizes"
            )
        if gate not in GATES:
            raise ValueError(f"spatial_gate={gate!r} is not allowed: choose from {list(GATES)}")
        self.groups = groups
        self.gate = gate
        self.sizes = tuple(kernels)
        self.pool = ChannelPool(gem_p, gem_trainable, groups=groups)
        self.sets = 1 if share_kernels else groups
        self._build(norm_cfg or dict(type="BN"))

    def _build(self, norm_cfg: dict) -> None:
        """Make what :meth:`choose` needs."""
        sets = self.sets
        self.kernels = nn.ParameterList(
            nn.Parameter(torch.zeros(sets, MAPS, k, k)) for k in self.sizes
        )
        if self.gate == "linear":  # zero kernels would multiply V, and so the signal, by zero
            for kernel in self.kernels:
                nn.init.kaiming_normal_(kernel)
        hidden = _HIDDEN * sets
        self.fc = nn.Conv2d(sets, hidden, 1, groups=sets, bias=False)
        self.bn = build_vector_norm(norm_cfg, hidden)
        self.select = nn.Conv2d(hidden, len(self.sizes) * sets, 1, groups=sets, bias=False)

    def forward(self, v: Tensor) -> Tensor:
        """V (N, C, H, W) -> V * gate(U), same shape and type."""
        u, _ = self.choose(self.pool(v))
        return multiply(v, GATES[self.gate](u))

    def attention(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """The gate (N, K, H, W) of V, and the weight of each kernel size (N, K, branches)."""
        u, weights = self.choose(self.pool(v))
        return GATES[self.gate](u), weights

    def choose(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Pooled maps (N, K, 3, H, W) -> U (N, K, H, W) and the weights (N, K, branches).

        Not under autocast: three maps cost nothing in float32, and sums over 75 values
        of 1e4 do not fit in float16.
        """
        with no_autocast(maps.device.type):
            branches = self._convolve(maps)
            weights = self._weigh(branches)
            # their weighted sum
            u = torch.bmm(weights.unsqueeze(1), branches.flatten(2)).view_as(branches[:, :1])
        images = (-1, self.groups)
        return u.unflatten(0, images).squeeze(2), weights.unflatten(0, images)

    def conv_norm_pairs(self) -> Iterator[tuple[nn.Module, nn.Module]]:
        """The convolutions, each with the norm that alone takes its result."""
        yield self.fc, self.bn

    def _convolve(self, maps: Tensor) -> Tensor:
        """Pooled maps (N, K, 3, H, W) -> one map per kernel size (N*K, branches, H, W).

        The kernels are zero-padded to the largest and run as one convolution. No size is read
        from a tensor here or below: an exporter would take it for a constant.
        """
        largest = max(self.sizes)
        padded = [
            F.pad(kernel, [(largest - size) // 2] * 4) if size < largest else kernel
            for kernel, size in zip(self.kernels, self.sizes)
        ]
        # joined along the first axis, each kernel's gradient is a contiguous part of the whole one
        weight = torch.cat(padded).unflatten(0, (-1, self.sets)).transpose(0, 1).flatten(0, 1)
        maps = maps.flatten(0, 1) if self.sets == 1 else maps.flatten(1, 2)
        maps = backward_layout(maps.to(weight.dtype))
        out = F.conv2d(maps, weight, padding=largest // 2, groups=self.sets)
        return out if self.sets == 1 else out.unflatten(1, (self.groups, -1)).flatten(0, 1)

    def _weigh(self, branches: Tensor) -> Tensor:
        """Branch maps (N*K, B, H, W) -> softmax weights (N*K, B), summing to 1 over B."""
        b = len(self.sizes)
        # equation (5): the mean of the branches' sum
        t = branches.mean((1, 2, 3)).mul(b).view(-1, self.sets, 1, 1)
        z = normalize_vector(self.bn, self.fc(t)).relu()
        return self.select(z).view(-1, b).softmax(-1)


def multiply(v: Tensor, factor: Tensor) -> Tensor:
    """V (N, C, H, W) times its factor (N, K, H, W), group by group, in V's type."""
    grouped = v.unflatten(1, (factor.size(1), -1))
    return (grouped * factor.to(v.dtype).unsqueeze(2)).flatten(1, 2)


def backward_layout(maps: Tensor) -> Tensor:
    """Maps in the layout in which, on a CPU, the convolutions' backward pass is twice as fast."""
    if maps.device.type == "cpu" and maps.requires_grad:
        return maps.contiguous(memory_format=torch.channels_last)
    return maps


def no_autocast(device: str) -> contextlib.AbstractContextManager:
    """torch.autocast(enabled=False), which takes a while to make, where it changes anything."""
    return torch.autocast(device, enabled=False) if _is_autocast(device) else _AS_IT_IS


_AS_IT_IS = contextlib.nullcontext()


def _is_autocast(device: str) -> bool:
    if device == "meta":  # used to count or to defer; it knows no autocast
        return False
    if hasattr(torch, "get_autocast_dtype"):  # torch 2.4
        return torch.is_autocast_enabled(device)
    return torch.is_autocast_cpu_enabled() if device == "cpu" else torch.is_autocast_enabled()

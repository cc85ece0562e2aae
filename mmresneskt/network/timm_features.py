"""timm's networks as backbones, through timm's own feature extraction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from mmengine.registry import WEIGHT_INITIALIZERS
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from mmresneskt.runtime.building import quiet
from mmresneskt.runtime.environment import require

HUB = "timm://"
"""Before a network's name: the weights that timm publishes for it."""
_SIDE = 128
_SHOWN = 3


class TimmFeatures(BaseModule):
    """A network of timm as backbone of any MM library.

    It holds ``timm.create_model(model_name, features_only=True)`` as ``network``, built up to the
    last map that is put out. Parameters that no map depends on get ``requires_grad=False``:
    DistributedDataParallel waits for the gradient of every other.

    Args:
        model_name: as timm has it, with or without the tag of its weights.
        out_indices: of the network's maps (``feature_info``), those that ``forward`` returns.
        frozen_stages: -1 freezes nothing, 0 what the map of stride 2 depends on, k what that of
            stride ``2**(k+1)`` does, as stages are counted in a ResNet. Where there is no such
            map, it is the next finer one. Of branches beside each other, as in HRNet, nothing.
        norm_eval: keep every batch norm in eval mode.
        with_cp: timm's gradient checkpointing.
        in_channels: channels of the image.
        size_divisor: images are padded to multiples of it, right and below, and the maps cut.
        model_args: further arguments of ``timm.create_model``.
        init_cfg: as in mmengine; ``dict(type='TimmPretrained', checkpoint=...)`` loads weights.

    Raises:
        ImportError: timm is not installed.
        Exception: whatever timm raises at a name or an argument that it does not know.
    """

    def __init__(
        self,
        model_name: str,
        out_indices: Sequence[int],
        frozen_stages: int = -1,
        norm_eval: bool = False,
        with_cp: bool = False,
        in_channels: int = 3,
        size_divisor: int = 1,
        model_args: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.model_name = model_name
        self.out_indices = tuple(out_indices)
        self.norm_eval = norm_eval
        self.in_channels = in_channels
        self.size_divisor = size_divisor
        self.model_args = dict(model_args or {})
        self.network = self.create()
        info = self.network.feature_info
        self.strides, self.channels = info.reduction(), info.channels()
        self._channels_last = str(getattr(self.network, "output_fmt", "")).endswith("NHWC")
        self._frozen: tuple[str, ...] = ()
        self._frozen = self._set_gradients(frozen_stages)
        if with_cp:  # not every wrapper of timm passes it on
            getattr(self.network, "model", self.network).set_grad_checkpointing(True)
        self.train()

    def create(self, **weights: Any) -> Any:
        """The bare network; its maps are its levels up to the last of ``out_indices``.

        Args:
            weights: arguments of ``timm.create_model`` that say which to load.
        """
        return timm_library().create_model(
            self.model_name,
            features_only=True,
            out_indices=tuple(range(max(self.out_indices) + 1)),
            in_chans=self.in_channels,
            **self.model_args,
            **weights,
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Image (N, in_channels, H, W) -> (N, channels[i], H/strides[i], W/strides[i]) for each
        i of ``out_indices``, rounded as the network does."""
        height, width = x.shape[-2:]
        x = F.pad(x, (0, -width % self.size_divisor, 0, -height % self.size_divisor))
        levels = self.network(x)
        maps = []
        for index in self.out_indices:
            level, stride = levels[index], self.strides[index]
            if self._channels_last:
                level = level.permute(0, 3, 1, 2).contiguous()
            if self.size_divisor > 1:
                level = level[..., : -(-height // stride), : -(-width // stride)]
            maps.append(level)
        return tuple(maps)

    def train(self, mode: bool = True) -> TimmFeatures:
        """Set the mode, keep frozen parts (and with ``norm_eval`` batch norms) in eval."""
        super().train(mode)
        for module in self.modules():
            if self.norm_eval and isinstance(module, _BatchNorm):
                module.eval()
        for name in self._frozen:
            self.network.get_submodule(name).eval()
        return self

    def _set_gradients(self, frozen_stages: int) -> tuple[str, ...]:
        """Freeze parameters, and return the modules of which all are, for ``frozen_stages``."""
        used = self._needed_for(self.out_indices)
        coarsest = 2 ** (frozen_stages + 1) if frozen_stages >= 0 else 0
        finer = [index for index, stride in enumerate(self.strides) if stride <= coarsest]
        frozen = self._needed_for(finer)
        following = range(len(finer), len(self.strides))[:1]
        if frozen and following and not frozen <= self._needed_for(following):
            frozen = set()  # branches: all of them come from nearly the whole network
        for name, parameter in self.network.named_parameters():
            if name not in used - frozen:  # timm fixes some itself
                parameter.requires_grad_(False)
        return tuple(
            prefix
            for prefix, module in self.network.named_modules()
            if (own := [f"{prefix}.{name}" for name, _ in module.named_parameters()])
            and frozen.issuperset(own)
        )

    def _needed_for(self, indices: Sequence[int]) -> set[str]:
        """Parameters that these levels depend on, as autograd has it; on meta, so for nothing."""
        network = self.network.eval()  # the statistics of its batch norms stay
        tensors = [*network.named_parameters(), *network.named_buffers()]
        state = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors}
        parameters = {name: state[name].requires_grad_() for name, _ in network.named_parameters()}
        side = -(-_SIDE // self.size_divisor) * self.size_divisor
        image = torch.empty(1, self.in_channels, side, side, device="meta")
        with torch.enable_grad():
            levels = functional_call(network, state, image)
        chosen = sum((levels[index].sum() for index in indices), torch.zeros((), device="meta"))
        if not chosen.requires_grad:
            return set()
        grads = torch.autograd.grad(chosen, [*parameters.values()], allow_unused=True)
        return {name for name, grad in zip(parameters, grads) if grad is not None}


@WEIGHT_INITIALIZERS.register_module(name="TimmPretrained", force=True)
class TimmPretrained:
    """``init_cfg=dict(type='TimmPretrained', checkpoint='timm://NAME' or FILE_OR_URL)``.

    timm's own loading, with what it knows of a network's other layouts, does it.

    Args:
        checkpoint: ``timm://NAME`` for what timm publishes, or other weights of that network.

    Raises:
        OSError: they cannot be read or downloaded.
        ValueError: they do not fit the network, or leave weights of it unfilled.
    """

    def __init__(self, checkpoint: str) -> None:
        self.checkpoint = checkpoint

    def __call__(self, module: TimmFeatures) -> None:
        if self.checkpoint.startswith(HUB):
            loaded = _from_timm(self.checkpoint, module.create)
        else:
            loaded = self._from_elsewhere(module)
        module.network.load_state_dict(loaded.state_dict())
        print_log(f"{self.checkpoint}: loaded into {module.model_name}", logger="current")

    def _from_elsewhere(self, module: TimmFeatures) -> nn.Module:
        given = CheckpointLoader.load_checkpoint(self.checkpoint, map_location="cpu")
        state = timm_library().models.clean_state_dict(
            given.get("state_dict", given.get("model", given))
        )
        networks = []
        for arguments in ({}, dict(pretrained=True, pretrained_cfg_overlay=dict(state_dict=state))):
            with quiet(), torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                try:
                    networks.append(module.create(**arguments))
                except Exception as error:  # of weights of another network, anything
                    raise ValueError(
                        f"{self.checkpoint} does not fit timm's {module.model_name}: {error}"
                    ) from error
        # timm passes over what a file lacks: it has stayed as random as without the file
        random, loaded = (dict(network.named_parameters()) for network in networks)
        left = [k for k, v in random.items() if v.unique().numel() > 1 and v.equal(loaded[k])]
        if left:
            more = ", ..." if len(left) > _SHOWN else ""
            raise ValueError(
                f"{self.checkpoint} has no weights for {len(left)} of the {len(random)} entries of "
                f"timm's {module.model_name}: {', '.join(left[:_SHOWN])}{more}"
            )
        return networks[1]


@CheckpointLoader.register_scheme(prefixes=HUB, force=True)
def _load_from_timm(filename: str, map_location: object = None) -> dict[str, Tensor]:
    name = filename.removeprefix(HUB)
    return _from_timm(filename, lambda **how: timm_library().create_model(name, **how)).state_dict()


def _from_timm(checkpoint: str, create: Any) -> nn.Module:
    try:
        return create(pretrained=True)
    except Exception as error:  # the hub's client has errors of its own
        raise OSError(
            f"{checkpoint} cannot be downloaded ({error}): give a file, --backbone "
            f"timm:NAME:FILE, or start from scratch, timm:NAME:none"
        ) from error


def timm_library() -> Any:
    """The module ``timm``, which this package does without unless it is asked for.

    Raises:
        ImportError: it is not installed; says the command.
    """
    require("timm")
    import timm

    return timm

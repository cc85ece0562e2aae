"""ResNeSkt as networks of timm, which ``timm.create_model`` makes by name.

Importing this module registers them; :mod:`mmresneskt.network.timm_import` sees to that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from huggingface_hub import PyTorchModelHubMixin
from mmengine.model import initialize
from timm.layers import create_classifier
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import Tensor, nn
from torch.nn import functional as F

from .bottleneck import Bottleneck
from .resneskt import DEPTHS, ResNeSkt

_DEEP = dict(stem_channels=128, avd_first=False)
"""Of 101 and 200 layers, as :data:`.swap.backbones.BACKBONES` has them."""
_FORMS = {"": "paper", "_author": "author"}

default_cfgs = generate_default_cfgs(
    {
        f"resneskt{depth}{suffix}": dict(
            first_conv="stem.0", classifier="fc", pool_size=(7, 7), license="apache-2.0"
        )
        for depth in DEPTHS
        for suffix in _FORMS
    }
)


class ResNeSktForTimm(
    ResNeSkt,
    PyTorchModelHubMixin,
    library_name="mmresneskt",
    license="apache-2.0",
    pipeline_tag="image-classification",
    repo_url="https://github.com/mmresneskt/mmresneskt",
    docs_url="https://mmresneskt.github.io/mmresneskt/",
):
    """A :class:`ResNeSkt` with a linear classifier, ``fc``, and what timm asks of a network.

    ``save_pretrained``, ``from_pretrained`` and ``push_to_hub`` are those of
    ``huggingface_hub.PyTorchModelHubMixin``: config.json, model.safetensors and a model card.

    Args:
        num_classes: 0 leaves the pooled features.
        in_chans: channels of the image.
        global_pool: kind of pooling, as in timm; "" leaves the map.
        drop_rate: dropout before the classifier.
        arguments: of :class:`ResNeSkt`.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        in_chans: int = 3,
        global_pool: str = "avg",
        drop_rate: float = 0.0,
        **arguments: Any,
    ) -> None:
        super().__init__(in_channels=in_chans, **arguments)
        self.num_classes, self.drop_rate = num_classes, drop_rate
        self.num_features = self.head_hidden_size = self.feat_dim
        stem = self.stem[-3].out_channels
        self.feature_info = [dict(num_chs=stem, reduction=2, module="stem")]
        reduction = 4
        for stage, stride in zip(range(self.num_stages), arguments.get("strides", (1, 2, 2, 2))):
            reduction *= stride
            channels = self.feat_dim // 2 ** (self.num_stages - 1 - stage)
            self.feature_info.append(
                dict(num_chs=channels, reduction=reduction, module=f"layer{stage + 1}")
            )
        initialize(self, self.init_cfg)  # as init_weights does, but for its log of every parameter
        self._zero_init()
        self.global_pool, self.fc = create_classifier(
            self.num_features, num_classes, pool_type=global_pool
        )

    @classmethod
    def _from_pretrained(cls, *, strict: bool = True, **arguments: Any) -> ResNeSktForTimm:
        """As the base class, which would leave out what does not fit without a word."""
        return super()._from_pretrained(strict=strict, **arguments)

    def forward_features(self, x: Tensor) -> Tensor:
        """Image (N, in_chans, H, W) -> the last map, (N, num_features, H/32, W/32)."""
        x = self.maxpool(self.stem(x))
        for stage in self._stages():
            x = stage(x)
        return x

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """The last map -> (N, num_classes); with ``pre_logits`` what the classifier is given."""
        x = F.dropout(self.global_pool(x), self.drop_rate, self.training)
        return x if pre_logits else self.fc(x)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]  # timm's networks classify
        """Image (N, in_chans, H, W) -> (N, num_classes)."""
        return self.forward_head(self.forward_features(x))

    def get_classifier(self) -> nn.Module:
        return self.fc

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        self.num_classes = num_classes
        if global_pool is None:
            global_pool = self.global_pool.pool_type
        self.global_pool, self.fc = create_classifier(
            self.num_features, num_classes, pool_type=global_pool
        )

    def group_matcher(self, coarse: bool = False) -> dict[str, str]:
        """Patterns of parameters' names, for layer-wise learning rates."""
        return dict(stem=r"^stem", blocks=r"^layer(\d+)" if coarse else r"^layer(\d+)\.(\d+)")

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        for module in self.modules():
            if isinstance(module, Bottleneck):
                module.with_cp = enable


def _own_names(state: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Those of a classifier of MMPretrain, or of a backbone in any model, as timm's."""
    state = state.get("state_dict", state)  # type: ignore[assignment]
    if any(name.startswith("backbone.") for name in state):
        state = {k: v for k, v in state.items() if k.startswith(("backbone.", "head.fc."))}
    return {re.sub(r"^(backbone|head)\.", "", name): value for name, value in state.items()}


def _entry_point(name: str, settings: dict) -> Callable[..., nn.Module]:
    def create(pretrained: bool = False, **arguments: Any) -> nn.Module:
        return build_model_with_cfg(
            ResNeSktForTimm,
            name,
            pretrained,
            pretrained_filter_fn=_own_names,
            **{**settings, **arguments},
        )

    create.__name__ = create.__qualname__ = name
    create.__doc__ = f"{name}; further arguments are those of :class:`ResNeSkt`."
    return create


for _depth in DEPTHS:
    for _suffix, _form in _FORMS.items():
        _settings = dict(depth=_depth, spatial_attention=_form, **(_DEEP if _depth > 100 else {}))
        register_model(_entry_point(f"resneskt{_depth}{_suffix}", _settings))

"""What a config's optimizer knows of the old backbone's inside."""

from __future__ import annotations

from mmengine.config import Config, ConfigDict

from mmresneskt.runtime.building import build

# MMDetection's, which knows the names of ConvNeXt's layers alone, and its settings
_CONVNEXTS = "LearningRateDecayOptimizerConstructor"
_ITS_SETTINGS = ("decay_rate", "decay_type", "num_layers")


def set_optimizer(cfg: Config, backbone: ConfigDict) -> None:
    """Leave out the rules that were for the old backbone's parameters.

    Layer-wise decay of the learning rate as MMDetection has it for ConvNeXt alone goes; norms and
    biases stay without weight decay, as it has them. Settings of single parameters
    (``paramwise_cfg.custom_keys``) go if they name parts of a backbone that the new one does
    not have.

    Args:
        backbone: the new one.
    """
    wrapper = cfg.get("optim_wrapper") or ConfigDict()
    rules = wrapper.get("paramwise_cfg") or ConfigDict()
    if str(wrapper.get("constructor")).split(".")[-1] == _CONVNEXTS:
        del wrapper["constructor"]
        kept = {key: value for key, value in rules.items() if key not in _ITS_SETTINGS}
        rules = ConfigDict(dict(norm_decay_mult=0.0, bias_decay_mult=0.0, **kept))
        wrapper.paramwise_cfg = rules
    keys = rules.get("custom_keys") or {}
    naming = [key for key in keys if "backbone." in key]
    if not naming:
        return
    parameters = build(cfg, ConfigDict({**backbone, "init_cfg": None})).named_parameters()
    names = [f"detector.backbone.{name}" for name, _ in parameters]  # as in a tracker
    for key in naming:
        if not any(key in name for name in names):
            del keys[key]

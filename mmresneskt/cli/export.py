"""Write a classifier, or the backbone of any other model, as an ONNX file.

A classifier is exported up to its logits, batch norms folded, for every batch and image size.
Its input is normalised; mean, std, order of channels and classes are in the file's properties.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from mmresneskt.runtime.errors import UserError

from .arguments import add_config_arguments, add_trust_argument, at_least, positive

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import nn

OLDEST_OPSET = 17


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_arguments(parser)
    parser.add_argument(
        "--checkpoint",
        help="file or URL of the weights (default: of a work folder the best, else random)",
    )
    parser.add_argument("--out", required=True, metavar="FILE")
    parser.add_argument(
        "--shape",
        type=positive,
        nargs=2,
        default=(224, 224),
        metavar=("H", "W"),
        help="of the images that it is traced and compared with (default: 224 224)",
    )
    parser.add_argument(
        "--opset", type=at_least(OLDEST_OPSET), default=OLDEST_OPSET, help="default: %(default)s"
    )
    add_trust_argument(parser)


def run(args: argparse.Namespace) -> None:
    """Export, compare with PyTorch by ONNX Runtime, and write the file if both agree.

    Raises:
        UserError: onnx or onnxruntime is missing, the config or the checkpoint is not as it
            should be, the model cannot be exported or computes something else then.
    """
    import torch
    from torch import nn

    from mmresneskt.network.deploy import deploy
    from mmresneskt.network.onnx_export import compare, export
    from mmresneskt.runtime.files import write_whole

    _need_onnx()
    model, properties = _load(args)
    height, width = args.shape
    channels = next(m.in_channels for m in model.modules() if isinstance(m, nn.Conv2d))
    data = export(deploy(model), torch.randn(2, channels, height, width), args.opset, properties)
    shapes = [(1, channels, height + 33, width + 18), (3, channels, height, width)]
    difference, scale = compare(data, model, [torch.randn(shape) for shape in shapes])
    try:
        write_whole(args.out, data)
    except OSError as error:
        raise UserError(f"--out: {error}") from error
    sizes = " and ".join("x".join(map(str, shape)) for shape in shapes)
    print(
        f"ONNX Runtime differs from PyTorch by {difference:.1e} at most, of values up to "
        f"{scale:.3g}, at {sizes}\n{args.out}: opset {args.opset}, {len(data) / 1e6:.1f} MB"
    )


def _load(args: argparse.Namespace) -> tuple[nn.Module, dict[str, str]]:
    """The part of a config's model that is exported, in eval mode, and what a user must know."""
    from mmresneskt.data.classes import set_trained_classes
    from mmresneskt.runtime.checkpoint import trust
    from mmresneskt.runtime.trained import (
        build_model,
        dataset_meta,
        load_weights,
        read_checkpoint,
        weights,
    )

    from .config import load, use_work_folder

    trust(args.trust_checkpoint)
    use_work_folder(args, needed=False)
    cfg = load(args)
    meta: dict = {}
    if args.checkpoint:
        checkpoint = read_checkpoint(args.checkpoint)
        meta = dataset_meta(checkpoint, args.checkpoint)
        set_trained_classes(cfg, meta.get("classes"))
    model = build_model(cfg, args.config)
    if args.checkpoint:
        load_weights(model, weights(checkpoint), args.checkpoint, args.config)
    properties = _properties(cfg, meta)
    kind = type(model).__name__
    if cfg.get("default_scope") != "mmpretrain":
        backbone = getattr(getattr(model, "detector", model), "backbone", None)
        if backbone is None:
            raise UserError(f"config {args.config}: {kind} has no backbone")
        model = backbone
        print(f"of {kind} its backbone is exported, {type(model).__name__}")
    model.eval()  # the libraries' ResNets return None
    return model, properties


def _properties(cfg: Config, meta: dict) -> dict[str, str]:
    """How images are to be normalised, and the classes, as an ONNX file keeps them."""
    preprocessor = cfg.model.get("data_preprocessor") or {}
    found = {key: preprocessor[key] for key in ("mean", "std") if preprocessor.get(key)}
    rgb = preprocessor.get("to_rgb") or preprocessor.get("bgr_to_rgb")
    found["channels"] = "RGB" if rgb else "BGR"
    if meta.get("classes"):
        found["classes"] = list(meta["classes"])
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in found.items()}


def _need_onnx() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise UserError(f"{error}: pip install onnx onnxruntime") from error

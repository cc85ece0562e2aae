"""``tools/export_onnx.py``: a classifier, or the backbone of a detector, as an ONNX file."""

from __future__ import annotations

import argparse
import inspect
import io
import json
import warnings

import torch
from mmengine.config import Config
from torch import Tensor, nn

from ..checkpoint import trust
from ..deploy import deploy
from ..files import write_whole
from ..swap import BACKBONES
from .arguments import add_options_argument, add_trust_argument, positive
from .config import load_config
from .errors import UserError, explain
from .trained import build_model, dataset_meta, fill, read_checkpoint, settle_classes, weights

OLDEST_OPSET = 17
TOLERANCE = 1e-4  # of the outputs' scale
_INPUT = "images"


def main(argv: list[str] | None = None) -> None:
    """Export, compare with PyTorch by ONNX Runtime, and write the file if both agree.

    Raises:
        UserError: onnx or onnxruntime is missing, the config or the checkpoint is not as it
            should be, the model cannot be exported or computes something else then.
    """
    args = parse_args(argv)
    _need_onnx()
    model, properties = _load(args)
    height, width = args.shape
    channels = next(m.in_channels for m in model.modules() if isinstance(m, nn.Conv2d))
    try:
        folded = deploy(model)
    except ValueError as error:
        raise UserError(f"config {args.config}: {error}") from error
    data = export(folded, torch.randn(2, channels, height, width), args.opset, properties)
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


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="export_onnx.py",
        description="Write a classifier (up to its logits) or the backbone of any other model as "
        "an ONNX file, batch norms folded, for every batch and image size. Its input is "
        "normalised; mean, std, order of channels and classes are in the file's properties.",
    )
    parser.add_argument("config", help="config file, or mmdet::... or mmpretrain::...")
    parser.add_argument("--checkpoint", help="file or URL of the weights (default: random ones)")
    parser.add_argument("--out", required=True, metavar="FILE")
    parser.add_argument(
        "--shape",
        type=positive,
        nargs=2,
        default=(224, 224),
        metavar=("H", "W"),
        help="of the images that it is traced and compared with (default: 224 224)",
    )
    parser.add_argument("--opset", type=int, default=OLDEST_OPSET, help="default: %(default)s")
    parser.add_argument(
        "--backbone",
        metavar="NAME",
        help=f"put this one into the config first: {', '.join(BACKBONES)}",
    )
    add_options_argument(parser)
    add_trust_argument(parser)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    args = parser.parse_args(argv)
    if args.opset < OLDEST_OPSET:
        parser.error(f"--opset {args.opset} is not allowed: give {OLDEST_OPSET} or more")
    return args


def export(model: nn.Module, images: Tensor, opset: int, properties: dict[str, str]) -> bytes:
    """A model in eval mode, images (N, C, H, W) -> logits or a tuple of maps, as an ONNX file.

    N, H and W stay open. The outputs are ``logits``, or ``feature0``, ``feature1``, ...

    Raises:
        UserError: PyTorch cannot export it.
    """
    import onnx

    with torch.no_grad():
        results = model(images)
    results = [results] if isinstance(results, Tensor) else results
    axes = {"logits": {0: "batch"}}
    if results[0].ndim == 4:
        count = range(len(results))
        axes = {f"feature{i}": {0: "batch", 2: f"height{i}", 3: f"width{i}"} for i in count}
    names = list(axes)
    axes[_INPUT] = {0: "batch", 2: "height", 3: "width"}
    # The exporter by TorchScript: it is in every PyTorch from 2.1 on, writes opset 17 itself and
    # needs no further package; the other one is ten times slower.
    chosen = "dynamo" in inspect.signature(torch.onnx.export).parameters
    file = io.BytesIO()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # about tracing: what comes out is compared
            torch.onnx.export(
                model,
                (images,),
                file,
                input_names=[_INPUT],
                output_names=names,
                dynamic_axes=axes,
                opset_version=opset,
                **(dict(dynamo=False) if chosen else {}),
            )
    except Exception as error:  # the exporter raises whatever its passes do
        first = str(error).partition(" [Caused by ")[0]  # pages of the traced graph follow
        raise UserError(f"PyTorch cannot export this model: {first}") from error
    written = onnx.load_from_string(file.getvalue())
    onnx.helper.set_model_props(written, properties)
    return written.SerializeToString()


def compare(data: bytes, model: nn.Module, batches: list[Tensor]) -> tuple[float, float]:
    """The largest difference of an ONNX file's outputs from the model's, and their largest value.

    Raises:
        UserError: ONNX Runtime cannot run the file, or an output's difference is above
            :data:`TOLERANCE` of its largest value.
    """
    import onnxruntime

    differences, scales = [0.0], [0.0]
    try:
        session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
        found = [session.run(None, {_INPUT: images.numpy()}) for images in batches]
    except Exception as error:  # its exceptions have no common class
        raise UserError(f"ONNX Runtime cannot run what was exported: {explain(error)}") from error
    for images, outputs in zip(batches, found):
        with torch.no_grad():
            expected = model(images)
        expected = [expected] if isinstance(expected, Tensor) else expected
        for ours, theirs in zip(outputs, expected):
            difference = (torch.from_numpy(ours) - theirs).abs().max().item()
            scale = theirs.abs().max().item()
            if not difference <= TOLERANCE * scale:  # NaN fails too
                raise UserError(
                    f"what was exported differs from PyTorch by {difference:.1e}, of values up to "
                    f"{scale:.3g}: nothing is written"
                )
            differences.append(difference)
            scales.append(scale)
    return max(differences), max(scales)


def _load(args: argparse.Namespace) -> tuple[nn.Module, dict[str, str]]:
    """The part of a config's model that is exported, in eval mode, and what a user must know."""
    trust(args.trust_checkpoint)
    cfg = load_config(args.config, args.cfg_options, args.backbone)
    meta: dict = {}
    if args.checkpoint:
        checkpoint = read_checkpoint(args.checkpoint)
        meta = dataset_meta(checkpoint)
        settle_classes(cfg, meta.get("classes"))
    model = build_model(cfg, args.config)
    if args.checkpoint:
        fill(model, weights(checkpoint), args.checkpoint, args.config)
    properties = _properties(cfg, meta)
    kind = type(model).__name__
    if cfg.get("default_scope") != "mmpretrain":
        model = getattr(getattr(model, "detector", model), "backbone", None)
        if model is None:
            raise UserError(f"config {args.config}: {kind} has no backbone")
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

"""Write a detector or a classifier, or the backbone of one, as an ONNX file.

The file takes one image (H, W, 3), RGB, uint8, of any size, and does in its graph what the
config's test pipeline and data preprocessor do. Of a detector it gives ``boxes`` (K, 4), left, top,
right and bottom in pixels of that image, ``scores`` (K,), ``labels`` (K,) and, where there are
masks, ``masks`` (K, H, W); of a classifier ``probabilities`` (1, C).

It is written only if ONNX Runtime finds what PyTorch finds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mmresneskt.runtime.errors import UserError
from mmresneskt.runtime.onnx.properties import OLDEST_OPSET

from .arguments import add_config_arguments, add_trust_argument, at_least, positive

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.model import BaseModel
    from torch import Tensor, nn

SHAPE = (224, 224)
SCENES = ((180, 240), (260, 180))
"""Heights and widths of the generated images, (H, W)."""
PHOTOGRAPH = "grace_hopper.jpg"
"""A person, among Matplotlib's samples."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_arguments(parser)
    parser.add_argument(
        "--checkpoint",
        help="file or URL of the weights (default: of a work folder the best, else random)",
    )
    parser.add_argument("--out", required=True, metavar="FILE")
    parser.add_argument(
        "--no-preprocess",
        action="store_true",
        help="the file takes (1, 3, H, W), of a classifier (N, 3, H, W), normalised and of a size "
        "that the model takes; boxes are in its pixels",
    )
    parser.add_argument(
        "--backbone-only",
        action="store_true",
        help="(N, 3, H, W), normalised, to the backbone's maps, of a classifier to its logits",
    )
    parser.add_argument(
        "--images",
        nargs="+",
        metavar="IMAGE|FOLDER|GLOB",
        help="to compare with PyTorch on, two or more, in which the model finds something "
        "(default: a photograph of a person, and generated ones)",
    )
    parser.add_argument(
        "--shape", type=positive, nargs=2, metavar=("H", "W"), help="fix the size of the input"
    )
    parser.add_argument(
        "--batch",
        type=positive,
        metavar="N",
        help="fix the number of images; of a detector it is 1",
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
    from mmresneskt.network.deploy import deploy
    from mmresneskt.runtime.files import write_whole
    from mmresneskt.runtime.onnx.trace import need_onnx

    need_onnx()
    model, cfg, properties = _load(args)
    model = deploy(model)
    if args.backbone_only:
        data, said = _features(args, _part(model, cfg, args.config), "logits", properties)
    elif cfg.get("default_scope") == "mmpretrain":
        data, said = _classifier(args, model, cfg, properties)
    else:
        data, said = _detector(args, model, cfg, properties)
    try:
        write_whole(args.out, data)
    except OSError as error:
        raise UserError(f"--out: {error}") from error
    print(f"{said}\n{args.out}: opset {args.opset}, {len(data) / 1e6:.1f} MB")


def _features(
    args: argparse.Namespace,
    model: nn.Module,
    name: str,
    properties: dict[str, str],
    expected: Callable[[Tensor], Tensor] | None = None,
) -> tuple[bytes, str]:
    """Of a network (N, C, H, W) -> matrix or maps the file, and what was compared.

    Args:
        expected: what the file is compared with, where that is not the model.
    """
    import torch
    from torch import nn

    from mmresneskt.runtime.onnx.features import compare, export

    height, width = args.shape or SHAPE
    channels = next(m.in_channels for m in model.modules() if isinstance(m, nn.Conv2d))
    fixed = (*((0,) if args.batch else ()), *((2, 3) if args.shape else ()))
    example = torch.randn(args.batch or 2, channels, height, width)
    data = export(model, example, args.opset, properties, fixed, name)
    shapes = [(1, channels, height + 33, width + 18), (3, channels, height, width)]
    if fixed:
        other = (height, width) if args.shape else (height + 33, width + 18)
        shapes = [(args.batch or 3, channels, *other)]
    difference, scale = compare(data, expected or model, [torch.randn(shape) for shape in shapes])
    sizes = " and ".join("x".join(map(str, shape)) for shape in shapes)
    return data, (
        f"ONNX Runtime differs from PyTorch by {difference:.1e} at most, of values up to "
        f"{scale:.3g}, at {sizes}"
    )


def _classifier(
    args: argparse.Namespace, model: BaseModel, cfg: Config, properties: dict[str, str]
) -> tuple[bytes, str]:
    import torch

    from mmresneskt.runtime.onnx.agreement import predicted
    from mmresneskt.runtime.onnx.features import compare
    from mmresneskt.runtime.onnx.trace import trace
    from mmresneskt.runtime.onnx.whole import Classifier
    from mmresneskt.runtime.trained import pipeline

    properties["task"] = "classification"
    if args.no_preprocess:

        def expected(images: Tensor) -> Tensor:
            return torch.stack([sample.pred_score for sample in model.predict(images)])

        whole = Classifier(model, None).eval()
        return _features(args, whole, "probabilities", properties, expected)
    _one_image(args)
    transforms = pipeline(cfg, args.config).transforms
    whole = Classifier(model, transforms).eval()
    example, images = _images(args)
    axes = {"image": _open(args, 0), "probabilities": {}}
    data = trace(whole, example, axes, args.opset, properties)
    score, _ = compare(
        data, lambda x: predicted(model, transforms, x).pred_score[None], list(images.values())
    )
    return (
        data,
        f"probabilities differ from PyTorch's by {score:.1e} at most, in {len(images)} images",
    )


def _detector(
    args: argparse.Namespace, model: BaseModel, cfg: Config, properties: dict[str, str]
) -> tuple[bytes, str]:
    from torch.nn.functional import interpolate

    from mmresneskt.runtime.onnx.agreement import agree, predicted, prepared
    from mmresneskt.runtime.onnx.trace import trace
    from mmresneskt.runtime.onnx.traceable import traceable
    from mmresneskt.runtime.onnx.whole import Detector, score_threshold
    from mmresneskt.runtime.trained import pipeline

    _one_image(args)
    transforms = pipeline(cfg, args.config).transforms
    whole = Detector(model, None if args.no_preprocess else transforms).eval()
    names = [
        "boxes",
        "scores",
        "labels",
        *(["masks"] if getattr(model, "with_mask", False) else []),
    ]
    properties |= dict(task="detection", score_threshold=str(score_threshold(model)))
    example, images = _images(args)
    if args.no_preprocess:

        def batch(image: Tensor) -> Tensor:
            x = prepared(model, transforms, image)["inputs"]
            return interpolate(x, args.shape) if args.shape else x

        example, images = batch(example), {name: batch(x) for name, x in images.items()}
    first = 2 if args.no_preprocess else 0
    axes = {"image": _open(args, first), **{name: {0: "boxes"} for name in names}}
    if len(names) > 3 and not args.shape:
        axes["masks"] |= {1: "height", 2: "width"}
    with traceable(model):
        data = trace(whole, example, axes, args.opset, properties)

    def expected(image: Tensor) -> Sequence[Tensor]:
        if args.no_preprocess:
            return whole(image)
        found = predicted(model, transforms, image).pred_instances
        return [found[key] for key in ("bboxes", *names[1:])]

    agreement = agree(data, images, expected)
    return data, (
        f"ONNX Runtime agrees with PyTorch on {agreement.boxes // 2} boxes in {len(images)} "
        f"images, to {agreement.pixels:.1g} pixels and {agreement.score:.1g} of the score"
    )


def _one_image(args: argparse.Namespace) -> None:
    if (args.batch or 1) != 1:
        raise UserError(
            f"--batch {args.batch}: a detector, and a classifier with its preprocessing, takes one "
            f"image; more go with --backbone-only, and with a classifier's --no-preprocess"
        )


def _open(args: argparse.Namespace, first: int) -> dict[int, str]:
    return {} if args.shape else {first: "height", first + 1: "width"}


def _images(args: argparse.Namespace) -> tuple[Tensor, dict[str, Tensor]]:
    """An image to trace, and others by their names to compare on, (H, W, 3), RGB, uint8."""
    import numpy as np
    import torch
    from matplotlib.cbook import get_sample_data
    from PIL import Image

    from mmresneskt.data.parcels import draw_scene
    from mmresneskt.runtime.decoding import CorruptImage, read_rgb
    from mmresneskt.runtime.images import find_images

    found = {}
    for seed, (height, width) in enumerate(() if args.images else SCENES):
        scene = draw_scene(np.random.default_rng(seed), width, height)[0]
        found[f"generated image {seed}"] = Image.fromarray(scene[..., ::-1])
    for path in find_images(args.images or [get_sample_data(PHOTOGRAPH, asfileobj=False)]):
        try:
            found[str(path)] = Image.fromarray(read_rgb(path))
        except CorruptImage as error:
            raise UserError(f"--images {path}: {error}") from error
    if len({image.size for image in found.values()}) < 2 and not args.shape:
        raise UserError("--images: give images of two sizes at least, since the file takes any")
    if args.shape:
        found = {name: image.resize(args.shape[::-1]) for name, image in found.items()}
    arrays = {name: torch.from_numpy(np.array(image)) for name, image in found.items()}
    if args.shape:
        return next(iter(arrays.values())), arrays
    image = next(iter(found.values()))  # in a size that no other has, in all likelihood
    traced = image.resize((image.width * 7 // 8, image.height * 9 // 10))
    return torch.from_numpy(np.array(traced)), arrays


def _load(args: argparse.Namespace) -> tuple[BaseModel, Config, dict[str, str]]:
    """A config's model, the config, and what a user must know."""
    import torch

    from mmresneskt import __version__
    from mmresneskt.runtime.onnx.properties import WHOLE, properties_of
    from mmresneskt.runtime.trained import meta_of_test_dataset

    from .config import use_work_folder
    from .trained import load_model

    use_work_folder(args, needed=False)
    model, cfg, meta = load_model(args)
    if not meta.get("classes") and not args.backbone_only:
        meta = meta_of_test_dataset(cfg)  # as predict takes it
    properties = properties_of(cfg, meta, args.checkpoint)
    properties |= dict(mmresneskt=__version__, torch=torch.__version__)
    if not (args.no_preprocess or args.backbone_only):
        properties |= WHOLE
    return model, cfg, properties


def _part(model: nn.Module, cfg: Config, config: str) -> nn.Module:
    """A classifier, or the backbone of any other model."""
    if cfg.get("default_scope") == "mmpretrain":
        return model
    kind = type(model).__name__
    backbone = getattr(getattr(model, "detector", model), "backbone", None)
    if backbone is None:
        raise UserError(f"config {config}: {kind} has no backbone")
    print(f"of {kind} its backbone is exported, {type(backbone).__name__}")
    return backbone

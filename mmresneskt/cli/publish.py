"""Write the weights of a checkpoint into a file that names its own hash.

``NAME-0123abcd.safetensors`` holds the weights and the names of the classes, nothing that
could run; ``NAME-0123abcd.md`` beside it says what they are. NAME is the config's, else the
checkpoint's. Every command that takes a checkpoint takes the file, and verifies it.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from mmresneskt.runtime.errors import UserError, printable

from .arguments import add_trust_argument

_DIGITS = 8
_FORMATS = ("safetensors", "pth")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", help="file or URL; averaged weights are taken where it has")
    parser.add_argument("--config", help="of the training: its model must fit the weights")
    parser.add_argument("--out", default="published", metavar="FOLDER", help="default: %(default)s")
    parser.add_argument(
        "--format",
        choices=_FORMATS,
        default=_FORMATS[0],
        help="pth: readable where mmresneskt is not installed; default: %(default)s",
    )
    add_trust_argument(parser)


def run(args: argparse.Namespace) -> None:
    """Write the weights and their card.

    Raises:
        UserError: the checkpoint or the config is not as it should be, they do not fit each
            other, or the files cannot be written.
    """
    from mmresneskt.data.classes import set_trained_classes
    from mmresneskt.runtime.checkpoint import CheckpointError, named_hash
    from mmresneskt.runtime.checkpoint.model_card import model_card
    from mmresneskt.runtime.checkpoint.published import published_bytes, published_weights
    from mmresneskt.runtime.config.load import load_config
    from mmresneskt.runtime.files import write_whole
    from mmresneskt.runtime.trained import build_model, dataset_meta, load_weights, read_checkpoint

    checkpoint = read_checkpoint(args.checkpoint)
    meta = dataset_meta(checkpoint, args.checkpoint)
    try:
        weights, averaged = published_weights(checkpoint)
        content = published_bytes(weights, meta, args.format)
    except CheckpointError as error:
        raise UserError(f"checkpoint {args.checkpoint}: {error}") from error
    model = None
    if args.config:
        cfg = load_config(args.config)
        set_trained_classes(cfg, meta.get("classes"))
        model = build_model(cfg, args.config)
        load_weights(model, weights, args.checkpoint, args.config)
    digest = hashlib.sha256(content).hexdigest()
    stem = Path(args.config or args.checkpoint).stem
    if named_hash(f"{stem}.pth"):  # published before
        stem = stem.rpartition("-")[0]
    path = Path(args.out) / f"{stem}-{digest[:_DIGITS]}.{args.format}"
    card = model_card(
        file=path.name,
        size=len(content),
        digest=digest,
        config=args.config,
        model=model,
        weights=weights,
        averaged=averaged,
        trained=checkpoint.get("meta") or {},
        classes=meta.get("classes") or (),
    )
    try:
        write_whole(path, content)
        write_whole(path.with_suffix(".md"), card.encode())
    except OSError as error:
        raise UserError(f"--out: {error}") from error
    print(printable(path), printable(path.with_suffix(".md")), sep="\n")

"""``tools/publish.py``: the weights of a checkpoint in a file that names its own hash.

``NAME-0123abcd.safetensors`` holds the weights and the names of the classes, nothing that
could run; ``NAME-0123abcd.md`` beside it says what they are. NAME is the config's, else the
checkpoint's. Every command that takes a checkpoint takes the file, and verifies it.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from ..checkpoint import CheckpointError, named_hash, trust
from ..checkpoint.published import FORMATS, published_bytes, published_weights
from ..files import write_whole
from .arguments import add_trust_argument
from .config import load_config
from .errors import UserError
from .model_card import model_card
from .trained import build_model, dataset_meta, fill, read_checkpoint, settle_classes

_DIGITS = 8


def main(argv: list[str] | None = None) -> None:
    """Write the weights and their card.

    Raises:
        UserError: the checkpoint or the config is not as it should be, they do not fit each
            other, or the files cannot be written.
    """
    args = parse_args(argv)
    trust(args.trust_checkpoint)
    checkpoint = read_checkpoint(args.checkpoint)
    meta = dataset_meta(checkpoint)
    try:
        weights, averaged = published_weights(checkpoint)
        content = published_bytes(weights, meta, args.format)
    except CheckpointError as error:
        raise UserError(f"checkpoint {args.checkpoint}: {error}") from error
    model = None
    if args.config:
        cfg = load_config(args.config)
        settle_classes(cfg, meta.get("classes"))
        model = build_model(cfg, args.config)
        fill(model, weights, args.checkpoint, args.config)
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
    print(f"{path}\n{path.with_suffix('.md')}")


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="publish.py",
        description=__doc__.partition(": ")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("checkpoint", help="file or URL; averaged weights are taken where it has")
    parser.add_argument("--config", help="of the training: its model must fit the weights")
    parser.add_argument("--out", default="published", metavar="FOLDER", help="default: %(default)s")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default=FORMATS[0],
        help="pth: readable where mmresneskt is not installed; default: %(default)s",
    )
    add_trust_argument(parser)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser.parse_args(argv)

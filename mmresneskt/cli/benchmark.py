"""Time ResNeSkt beside its peers, or a trained model by PyTorch and by ONNX Runtime.

One step of each to a round. On the CPU memory is what autograd keeps for the backward pass,
counted; on a GPU the allocator's peak.

With ``--model FILE``, which ``mmresneskt export WORK_DIR`` has written, the model of the work
folder is timed on images of its test data, one at a time: whole, from the decoded image to what is
found in it, and the backbone alone.
"""

from __future__ import annotations

import argparse
import json

from mmresneskt.runtime.errors import UserError

from .arguments import add_config_arguments, add_trust_argument, at_least, positive

_IMAGES = 8
"""Of the test data, spread evenly over them."""
_MODES, _LAYOUTS = ("inference", "training"), ("nchw", "nhwc")
_PRECISIONS = ("float32", "bfloat16", "float16")
_OWN = ("config", "checkpoint", "backbone", "cfg_options")
_PEERS = ("networks", "modes", "layouts", "precision", "batch", "size")
"""Options that a file of the user's own does without."""
_UNUSED = {"backbone": _OWN, "detector": ("networks", "modes", "compile", *_OWN)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_arguments(parser, optional=True)
    parser.add_argument("--checkpoint", help="file of the weights; default: of a work folder")
    add_trust_argument(parser)
    parser.add_argument(
        "--model",
        default="backbone",
        metavar="backbone|detector|FILE",
        help="ResNeSkt beside its peers, alone or in a detector, or the model that mmresneskt "
        "export has written; default: %(default)s",
    )
    parser.add_argument("--networks", nargs="+", metavar="NAME", help="default: all")
    parser.add_argument("--modes", nargs="+", choices=_MODES, help="default: both")
    parser.add_argument(
        "--layouts",
        nargs="+",
        choices=_LAYOUTS,
        help="default: both; of a detector the last",
    )
    parser.add_argument(
        "--compile", action="store_const", const=True, help="torch.compile beside eager"
    )
    parser.add_argument(
        "--precision",
        nargs="+",
        choices=_PRECISIONS,
        help="default: float32; of a detector the last",
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], help="default: cuda where it is")
    parser.add_argument("--threads", type=positive, help="of torch on the CPU")
    parser.add_argument("--batch", type=positive, help="default: 4")
    parser.add_argument(
        "--size", type=at_least(32), nargs="+", help="side, or height and width; default: 224"
    )
    parser.add_argument("--rounds", type=positive, default=15)
    parser.add_argument("--out", help="results/NAME, for NAME.json and NAME.png")


def run(args: argparse.Namespace) -> None:
    """Measure, print and write ``OUT.json``, and ``OUT.png`` of the backbones.

    Raises:
        UserError: an argument does not fit this machine, or a network cannot be built or run.
    """
    import torch
    from mmengine.logging import MMLogger

    from mmresneskt.runtime.conditions import conditions, listed
    from mmresneskt.runtime.errors import explain
    from mmresneskt.runtime.files import write_whole
    from mmresneskt.runtime.text_table import format_table

    args.device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if args.device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: torch sees no GPU; use --device cpu")
    _complete(args)
    if args.threads:
        torch.set_num_threads(args.threads)
    MMLogger.get_instance("mmresneskt", log_level="ERROR")  # timm's wrapper lists its features
    names = ("model", "batch", "rounds", "device", "size")
    settings = {name: getattr(args, name) for name in names}
    document = dict(**conditions(), **settings, threads=torch.get_num_threads())
    try:
        tables = _tables(args, document)
    except Exception as error:  # whatever a network raises, and memory that does not suffice
        raise UserError(explain(error)) from error
    versions = listed(document["versions"])
    print(f"{document['hardware']}, {document['threads']} threads; {versions}; {document['date']}")
    print(*(f"\n{format_table(header, rows, False)}" for header, rows in tables), sep="\n")
    if args.out:
        try:
            data = json.dumps(document, indent=1) + "\n"
            print(f"\nresults: {write_whole(args.out + '.json', data.encode())}")
        except OSError as error:
            raise UserError(f"--out: {error}") from error


def _tables(args: argparse.Namespace, document: dict) -> list[tuple]:
    if args.model not in _UNUSED:
        return _runtimes(args, document)
    from mmresneskt.paper.benchmark.tables import backbones, detectors

    return (detectors if args.model == "detector" else backbones)(args, document)


def _runtimes(args: argparse.Namespace, document: dict) -> list[tuple]:
    """Of a work folder's model and the file that was exported from it.

    Raises:
        UserError: one of them cannot be read, they are not of the same checkpoint, or the test
            data are not there.
    """
    from mmresneskt.data.embedded import embedded
    from mmresneskt.runtime.broken_images import infos_of
    from mmresneskt.runtime.decoding import read_rgb
    from mmresneskt.runtime.onnx.reader import OnnxModel
    from mmresneskt.runtime.onnx.trace import need_onnx
    from mmresneskt.runtime.preflight import missing_data, report
    from mmresneskt.runtime.preflight.datasets import built

    from .config import use_work_folder
    from .trained import Trained

    need_onnx()
    exported = OnnxModel(args.model, args.device, document["threads"])
    use_work_folder(args)
    _check_same(args, exported.properties)
    trained = Trained(args)
    cfg = trained.model.cfg
    report([*missing_data(cfg, ("test",), instead=embedded(cfg))])
    files = [info["img_path"] for info in infos_of(built(cfg, cfg.test_dataloader.dataset))]
    count = min(_IMAGES, len(files))
    images = [read_rgb(files[n * len(files) // count]) for n in range(count)]
    from mmresneskt.paper.benchmark.runtimes import runtimes

    transforms = trained.pipeline.transforms
    return runtimes(args, document, trained.model, transforms, images, exported)


def _check_same(args: argparse.Namespace, properties: dict[str, str]) -> None:
    from mmresneskt.runtime.checkpoint.integrity import hash_of

    theirs, ours = properties.get("checkpoint_sha256", "none"), hash_of(args.checkpoint)
    if theirs != ours:
        other = f"{properties.get('checkpoint', 'a checkpoint')} (SHA-256 {theirs[:8]})"
        raise UserError(
            f"--model {args.model} was exported from {other}, not from {args.checkpoint} "
            f"({ours[:8]}): mmresneskt export {args.config} --out {args.model}"
        )


def _complete(args: argparse.Namespace) -> None:
    """Fill in the defaults; refuse what changes nothing."""
    from mmresneskt.paper.peers import TIMED
    from mmresneskt.runtime.errors import did_you_mean

    unused = _UNUSED.get(args.model, _PEERS)
    for name in unused:
        if getattr(args, name) is not None:
            given = args.config if name == "config" else f"--{name.replace('_', '-')}"
            raise UserError(
                f"{given} does not change what --model {args.model} measures: leave it out"
            )
    if args.config is None and "config" not in unused:
        raise UserError(f"--model {args.model}: give the work folder that it was exported from")
    if len(args.size or ()) > 2:
        raise UserError("--size takes one or two sides")
    for name in args.networks or ():
        if name not in TIMED:
            hint = did_you_mean(name, TIMED)
            raise UserError(f"--networks {name}: known are {', '.join(TIMED)}.{hint}")
    if args.model in _UNUSED:
        defaults = dict(networks=list(TIMED), modes=_MODES, layouts=_LAYOUTS, compile=False)
        defaults |= dict(precision=["float32"], batch=4, size=[224])
        for name, default in defaults.items():
            if getattr(args, name) is None:
                setattr(args, name, default)
        args.size = (args.size[0], args.size[-1])

"""The config that a command line asks for."""

from __future__ import annotations

import argparse
import functools
import os
import re
from pathlib import Path

from mmengine.config import Config, DictAction

from mmresneskt.data.classes import set_classes
from mmresneskt.network.swap.find import name_for_folder
from mmresneskt.network.swap.swap_backbone import swap_backbone
from mmresneskt.runtime.config.load import default_work_dir, load_config
from mmresneskt.runtime.errors import UserError, explain, printable
from mmresneskt.runtime.launcher import is_main_process
from mmresneskt.runtime.runner import set_loader_defaults
from mmresneskt.runtime.work_folder import checkpoint_of

_BRACKETS = (("(", ")"), ("[", "]"), ("{", "}"))
_DICTIONARY = re.compile(r"""(^|[\[(,])[\s'"]*(\{|dict\()""")


def load(args: argparse.Namespace) -> Config:
    """The config of :func:`add_config_arguments`.

    Raises:
        UserError: see :func:`load_config`.
    """
    change = None
    if args.backbone:
        change = functools.partial(_swap, args=args)
    return load_config(args.config, options(args), change)


def use_work_folder(args: argparse.Namespace, needed: bool = True) -> None:
    """Where the config is a work folder, take its best or newest checkpoint.

    Of a command that takes images, the folder may be the first of these.

    Args:
        needed: the command cannot do without a checkpoint.

    Raises:
        UserError: there is no config, or no checkpoint.
    """
    if args.config is None:
        args.config, *args.images = args.images
        if not args.images or not Path(args.config).is_dir():
            raise UserError(
                f"give the work folder of a training and then images, or --config and "
                f"--checkpoint: {args.config} is no work folder with images behind it"
            )
    if args.checkpoint is None and Path(args.config).is_dir():
        found = checkpoint_of(Path(args.config))
        args.checkpoint = found.name
        for reason in found.skipped:
            print(f"passed over: {printable(reason)}")
        print(f"checkpoint: {printable(args.checkpoint)}")
    if needed and not args.checkpoint:
        raise UserError(f"give the checkpoint too: {args.config} is no work folder that has one")


def options(args: argparse.Namespace) -> dict:
    """What ``--cfg-options`` says, by dotted key.

    Raises:
        UserError: it cannot be read.
    """
    if not args.cfg_options:
        return {}
    for pair in args.cfg_options:
        _check_brackets(pair)
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--cfg-options", nargs="+", action=DictAction)
    try:
        return parser.parse_args(["--cfg-options", *args.cfg_options]).cfg_options
    except Exception as error:  # it asserts and splits its way through brackets
        text = " ".join(args.cfg_options)
        endless = isinstance(error, RecursionError)
        why = "brackets that do not match" if endless else explain(error)
        raise UserError(f"--cfg-options {text}: not KEY=VALUE ({why})") from error


def _check_brackets(pair: str) -> None:
    """mmengine takes a dictionary for text, or never comes to its end."""
    key, _, value = pair.partition("=")
    if any(value.count(opening) != value.count(closing) for opening, closing in _BRACKETS):
        raise UserError(f"--cfg-options {pair}: brackets that do not match")
    if _DICTIONARY.search(value):
        raise UserError(
            f"--cfg-options {pair}: a dictionary is given key by key, as {key}.NAME=VALUE; for one "
            f"inside a list write a config with _base_"
        )


def configure(args: argparse.Namespace) -> Config:
    """The config of :func:`add_run_arguments`, with its classes, work folder and launcher.

    Raises:
        UserError: see :func:`load` and :func:`set_classes`.
    """
    cfg = load(args)
    set_classes(cfg, options(args).get("classes"))
    backbone = name_for_folder(args.backbone or "")
    cfg.work_dir = default_work_dir(cfg, args.config, args.work_dir, backbone)
    cfg.launcher = args.launcher
    if cfg.get("default_scope") == "mmpretrain":
        set_loader_defaults(cfg)
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))  # where no launcher has set it
    return cfg


def _swap(cfg: Config, args: argparse.Namespace) -> Config:
    try:
        swapped = swap_backbone(cfg, args.backbone)
    except ValueError as error:
        raise UserError(f"--backbone {args.backbone}: {args.config}: {explain(error)}") from error
    if is_main_process():
        print(f"--backbone {args.backbone} changes in {args.config}:")
        print(Config.diff(cfg, swapped))
    return swapped

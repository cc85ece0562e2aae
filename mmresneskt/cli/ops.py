"""Let programs that do not import mmresneskt use mmcv-lite's operators, by a file beside mmcv.

``install`` writes mmcv/_ext.py, which hands mmcv.ops over to mmresneskt: MMDetection's own
scripts then run unmodified. ``status`` says what is there, ``remove`` removes that file. Compiled
operators, and files that something else has written, are left alone.
"""

from __future__ import annotations

import argparse

from mmresneskt.runtime.errors import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["install", "status", "remove"])


def run(args: argparse.Namespace) -> None:
    """Do it, and name the file.

    Raises:
        UserError: mmcv has compiled operators or another such file, or cannot be written to.
    """
    from mmresneskt.runtime.ops import stub

    folder = stub.mmcv_folder()
    if args.action == "install":
        said = f"wrote {stub.install(folder)}"
    elif args.action == "remove":
        removed = stub.remove(folder)
        said = f"removed {removed}" if removed else f"{folder} has nothing to remove"
    else:
        said = stub.status(folder)
    print(printable(said))

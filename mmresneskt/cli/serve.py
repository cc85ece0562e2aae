"""Show on a page what one or two trained models see in an image: boxes, and where they look.

The page is for a browser on this machine; nobody else can open it without --host or --share.
Images go through the same checks as everywhere, are deleted after some minutes, all at the
command's end, and nothing is reported to anybody. Needs Gradio: pip install "mmresneskt[demo]".
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from mmresneskt.runtime.errors import UserError, explain, printable

from .arguments import add_model_arguments, positive

_MAX_UPLOAD = 64 << 20
"""Bytes of an image that is dropped on the page; whoever has the address fills the disk."""

_ALONE = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"
"""What the page may load. Gradio shows the name of a file that is too large as HTML, and a name can
hold the address of a picture."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "work_dirs",
        nargs="*",
        metavar="WORK_DIR",
        help="work folder of a training; two, or one and --config, are shown side by side",
    )
    add_model_arguments(parser)
    parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s, this machine")
    parser.add_argument("--port", type=positive, help="default: the first free one from 7860 on")
    parser.add_argument(
        "--share",
        action="store_true",
        help="let anybody who has the link open the page, through a server of Gradio's",
    )


def run(args: argparse.Namespace) -> None:
    """Serve the page until Ctrl-C.

    Raises:
        UserError: Gradio is missing, a model cannot be loaded, or the address cannot be used.
        KeyboardInterrupt: the end.
    """
    _check_address(args.host, args.port)
    chosen = _chosen(args)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # leaves no files
    with tempfile.TemporaryDirectory(prefix="mmresneskt-", ignore_cleanup_errors=True) as folder:
        os.environ.update(GRADIO_ANALYTICS_ENABLED="False", GRADIO_TEMP_DIR=f"{folder}/files")
        try:
            import gradio
        except ImportError as error:
            raise UserError(f'{error}: pip install "mmresneskt[demo]"') from error

        from mmresneskt.data.parcels import write_parcels

        from .page import build_page
        from .shown import Shown
        from .trained import finder

        models = []
        for given in chosen:
            trained = finder(given)
            models.append(Shown(_title(given, trained.model), trained))
        write_parcels(Path(folder, "parcels"), 3, seed=2)  # the embedded data have 0 and 1
        page = build_page(models, sorted(Path(folder, "parcels", "images").iterdir()))
        try:
            address = page.launch(
                server_name=args.host,
                server_port=args.port,
                share=args.share,
                theme=gradio.themes.Default(
                    font=["system-ui", "sans-serif"], font_mono="monospace"
                ),
                head=f'<meta http-equiv="Content-Security-Policy" content="{_ALONE}">',
                max_file_size=_MAX_UPLOAD,
                state_session_capacity=100,
                footer_links=[],
                run_history=False,
                ssr_mode=False,
                mcp_server=False,
                enable_monitoring=False,
                prevent_thread_lock=True,
                quiet=True,
            )[1]
        except Exception as error:  # of a proxy that takes 127.0.0.1 for its own, for instance
            raise UserError(f"--host {args.host}: {explain(error)}") from error
        print(f"page: {address} (Ctrl-C ends it)", flush=True)
        try:
            threading.Event().wait()
        finally:
            page.close(verbose=False)


def _check_address(host: str, port: int | None) -> None:
    """Before a model is loaded; and Gradio would try a hundred ports of a host that is not here."""
    try:
        family, *_, address = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0]
        socket.create_server((address[0], port or 0), family=family).close()
    except (OSError, OverflowError) as error:
        where = f"--host {host}{f' --port {port}' if port else ''}"
        raise UserError(f"{where}: {error}") from error


def _chosen(args: argparse.Namespace) -> list[argparse.Namespace]:
    """The arguments of each model, its checkpoint found."""
    from .config import use_work_folder

    models = [(folder, None) for folder in args.work_dirs]
    if args.config:
        models.insert(0, (args.config, args.checkpoint))
    if len(models) not in (1, 2) or (args.checkpoint and not args.config):
        raise UserError(
            "give the work folder of a training (mmresneskt demo makes work_dirs/demo), or two to "
            "see them side by side, or --config and --checkpoint"
        )
    found = []
    for config, checkpoint in models:
        given = argparse.Namespace(**{**vars(args), "config": config, "checkpoint": checkpoint})
        use_work_folder(given)
        found.append(given)
    return found


def _title(args: argparse.Namespace, model: Any) -> str:
    backbone = getattr(model, "backbone", None)
    depth = getattr(backbone, "depth", "")
    of = f", {type(backbone).__name__}{'-' * bool(depth)}{depth}" if backbone is not None else ""
    return printable(f"{args.checkpoint}: {type(model).__name__}{of}")

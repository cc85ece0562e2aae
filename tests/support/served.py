"""A web server on this machine."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any


class Odd(BaseHTTPRequestHandler):
    """Sends 5000 bytes less than it says, all at once; a path says what happens then.

    ``/cut/...``: the connection ends. ``/still/...``: nothing, until the other side gives up.
    ``/unsaid/...``: it ends, and no length was said. Any other path is sent whole.
    """

    def __init__(self, *arguments: Any, content: dict[str, bytes]) -> None:
        self.content = content
        super().__init__(*arguments)

    def do_GET(self) -> None:
        data = self.content.get(self.path, self.content[""])
        how = self.path.split("/")[1]
        self.send_response(200)
        if how != "unsaid":
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:-5000] if how in ("cut", "still", "unsaid") else data)
        if how == "still":
            self.connection.settimeout(10)
            self.rfile.read(1)

    def log_message(self, *args: object) -> None:
        pass


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


def serve(folder: Path) -> contextlib.AbstractContextManager[str]:
    """The address under which the folder's files are."""
    return served(partial(_Silent, directory=str(folder)))


@contextlib.contextmanager
def served(handler: Callable) -> Iterator[str]:
    """The address of a server with this handler."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()

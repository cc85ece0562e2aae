"""A Python whose processes are forks of one that has imported what takes long.

Importing torch, SciPy and Matplotlib takes longer than most commands. The forks have nothing of
the MM libraries and of this package.
"""

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

_PRELOADED = "torch._dynamo", "torchvision", "matplotlib.pyplot", "scipy.optimize"
_PRELOADED += ("pycocotools.cocoeval",)

# It hands on its arguments, its outputs and every signal, and ends as the fork ends.
_CLIENT = """#!{python} -IS
import json, os, signal, socket, sys
arguments = sys.argv[2:] if sys.argv[1:2] == ["-u"] else sys.argv[1:]
if not arguments or arguments[0].startswith("-") and arguments[0] not in ("-m", "-c"):
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
ignored = []
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
    if signal.getsignal(number) == signal.SIG_IGN:
        ignored.append(number)
    else:
        signal.signal(number, lambda number, frame: server.send(bytes([number])))
fork = dict(arguments=arguments, folder=os.getcwd(), environment=dict(os.environ))
fork.update(ignored=ignored, unbuffered="-u" in sys.argv[1:2], executable=os.path.abspath(__file__))
request = json.dumps(fork).encode()
socket.send_fds(server, [len(request).to_bytes(8, "big")], [0, 1, 2])
server.sendall(request)
status = int.from_bytes(server.recv(4) or bytes([0, 0, 1, 0]), "big")
if os.WIFSIGNALED(status):
    if os.WTERMSIG(status) != signal.SIGKILL:
        signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
    os.kill(os.getpid(), os.WTERMSIG(status))
os._exit(os.waitstatus_to_exitcode(status))
"""


@functools.cache
def python() -> str:
    """The path of a program that stands for ``sys.executable`` while this process lives."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    address = f"{folder}/socket"
    client = Path(folder, "python")
    client.write_text(_CLIENT.format(python=sys.executable, address=address))
    client.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen(64)
        reads, writes = os.pipe()
        subprocess.Popen(
            [sys.executable, __file__, str(listening.fileno()), str(reads)],
            pass_fds=(listening.fileno(), reads),
            start_new_session=True,
        )
    os.close(reads)
    atexit.register(os.close, writes)  # which the server waits for
    return str(client)


def _serve(listening: socket.socket, parent: int) -> dict | None:
    """Fork for each client. In a fork it returns what is to be done, at the end None."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while parent not in (ready := select.select([listening, parent], [], [])[0]):
        client, _ = ready[0].accept()
        if not os.fork():
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listening.close()
            os.close(parent)
            return _supervise(client)
        client.close()
    return None


def _supervise(client: socket.socket) -> dict:
    """Fork once more, and stand between that process, where it returns, and the client."""
    size, streams, *_ = socket.recv_fds(client, 8, 3)
    request = client.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL)
    process = os.fork()
    if not process:
        client.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        return json.loads(request)
    for stream in (0, 1, 2, *streams):
        os.close(stream)
    ends = os.pidfd_open(process)
    while ends not in select.select([client, ends], [], [])[0]:
        for number in client.recv(64) or [signal.SIGKILL]:  # of a client that was killed
            os.kill(process, number)
    with contextlib.suppress(OSError):
        client.send(os.waitpid(process, 0)[1].to_bytes(4, "big"))
    os._exit(0)


def _become(request: dict) -> None:
    """Do what an interpreter does between its start and the program."""
    for number in signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in request["ignored"]:
        signal.signal(number, signal.SIG_IGN)
    ours = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ.clear()
    os.environ.update(request["environment"])
    theirs = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = [*filter(None, theirs), *(p for p in sys.path[1:] if p not in ours)]
    os.chdir(request["folder"])
    sys.executable = request["executable"]
    sys.stdout.reconfigure(write_through=request["unbuffered"])
    numpy.random.seed()


def _run(program: str, *arguments: str) -> int:
    """The exit code of a program."""
    try:
        _execute(program, *arguments)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1
        return end.code or 0
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        return 1
    return 0


def _execute(program: str, *arguments: str) -> None:
    if program == "-m":
        sys.path.insert(0, os.getcwd())
        sys.argv = list(arguments)
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    elif program == "-c":
        sys.path.insert(0, "")
        sys.argv = ["-c", *arguments[1:]]
        exec(arguments[0], dict(__name__="__main__"))
    else:
        sys.path.insert(0, os.path.dirname(os.path.realpath(program)))
        sys.argv = [program, *arguments]
        runpy.run_path(program, run_name="__main__")


def _once_each(format_code: Callable) -> Callable:
    """mmengine formats a run's config anew for its log, its dump and every checkpoint."""
    results = {}

    def cached(text: str, **options: object) -> tuple:
        if text not in results:
            results[text] = format_code(text, **options)
        return results[text]

    return cached


if __name__ == "__main__":
    for _name in _PRELOADED:
        importlib.import_module(_name)
    import numpy
    from yapf.yapflib import yapf_api

    yapf_api.FormatCode = _once_each(yapf_api.FormatCode)
    gc.collect()
    gc.freeze()
    if _request := _serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])):
        _become(_request)
        code = _run(*_request["arguments"])
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # to take all modules down would copy their memory

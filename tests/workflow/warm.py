"""Python processes that need not import torch and diffusers: they are forked from one that has.

Half of a toy workflow's time is imports of its many short jobs. A folder put before others on PATH
holds a `python` that hands `python -m unidad ...` and `python -m snakemake ...` to a server, which
forks: nothing of unidad is imported there, so the job runs the copy of the project it is started
in, in a process of its own, with its caller's arguments, environment, folder, files and signals.
Anything else is started as ever. Tests of a cluster, and some others, start cold.
"""

import atexit
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

PRELOADED = """
import accelerate.hooks, matplotlib.figure, pandas, scipy.ndimage, scipy.stats, sklearn.metrics
import snakemake.cli, tensorboard, torch.utils.flop_counter, torch.utils.tensorboard
from diffusers import (
    AutoencoderKL, DDPMScheduler, DiffusionPipeline, SD3Transformer2DModel, StableDiffusionPipeline,
    UNet2DConditionModel, UNet2DModel,
)
from transformers import AutoImageProcessor, CLIPModel, CLIPTokenizer, Dinov2Model, ViTModel
"""
MODULES = ("unidad", "snakemake", "eager_snakemake")
FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@contextmanager
def warm_python() -> Iterator[Path]:
    """The folder to put first on PATH, while its server runs."""
    with TemporaryDirectory(prefix="warm-") as name:
        place = f"{name}/socket"
        shim = Path(name) / "bin/python"
        shim.parent.mkdir()
        shim.write_text(f'#!/bin/sh\nexec {sys.executable} -IS {__file__} {place} "$0" "$@"\n')
        shim.chmod(0o755)
        server = subprocess.Popen([sys.executable, __file__, place], stdin=subprocess.DEVNULL)
        try:
            while not os.path.exists(place):
                assert server.poll() is None, "the server of warm processes did not start"
                time.sleep(0.05)
            yield shim.parent
        finally:
            server.kill()
            server.wait()


def _client(place: str, shim: str, arguments: list[str]) -> None:
    """What the `python` on PATH does."""
    if arguments[:1] != ["-m"] or arguments[1] not in MODULES:
        os.execv(sys.executable, [sys.executable, *arguments])
    server = socket.socket(socket.AF_UNIX)
    server.connect(place)
    request = [shim, arguments[1:], os.getcwd(), dict(os.environ)]
    content = json.dumps(request).encode()
    socket.send_fds(server, [len(content).to_bytes(4)], [0, 1, 2])
    server.sendall(content)
    for number in FORWARDED:
        signal.signal(number, lambda number, _: server.send(bytes([number])))
    status = int.from_bytes(server.recv(4), signed=True)
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


def _serve(place: str) -> None:
    """Returns in the forked processes alone, ready to be the one that was asked for."""
    exec(PRELOADED, {})
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{place}.new")
    listener.listen(64)
    os.rename(f"{place}.new", place)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return _start(connection)
        connection.close()


def _start(connection: socket.socket) -> None:
    """A process that watches, and one that returns from here and runs."""
    size, files, _, _ = socket.recv_fds(connection, 4, 3)
    content = b""
    while len(content) < int.from_bytes(size):
        content += connection.recv(1 << 16)
    shim, arguments, folder, environment = json.loads(content)
    process = os.fork()
    if process:
        _watch(process, connection)
    connection.close()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.executable, sys.argv = shim, arguments
    sys.path[:1] = [folder, str(Path(__file__).parent)]


def _watch(process: int, connection: socket.socket) -> None:
    """Pass signals on, kill the process if its caller is gone, and tell how it ended."""
    with selectors.DefaultSelector() as selector:
        ended = os.pidfd_open(process)
        selector.register(ended, selectors.EVENT_READ)
        selector.register(connection, selectors.EVENT_READ)
        while ended not in [key.fd for key, _ in selector.select()]:
            sent = connection.recv(1)
            os.kill(process, sent[0] if sent else signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    try:
        connection.sendall(status.to_bytes(4, signed=True))
    finally:
        os._exit(0)


def _run(module: str) -> NoReturn:
    """As `python -m` would, but without the second that taking torch apart takes."""
    status: object = 1
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = end.code or 0
        if not isinstance(status, int):
            print(status, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else 1)


if __name__ == "__main__":
    if sys.argv[2:]:
        _client(sys.argv[1], sys.argv[2], sys.argv[3:])
    _serve(sys.argv[1])
    _run(sys.argv[0])

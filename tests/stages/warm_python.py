"""A `python` and a `dvc` that have their libraries in memory, so that each call begins at once.

Half of a tiny stage's time goes into importing PyTorch and pandas, and of DVC's into importing
itself. A server imports them, and nothing of this project; `python -m stages.x` asks it for a
child, which runs the stage's module as Python does: in the caller's folder, with its arguments,
environment and open files, and with the code of that folder. So do `dvc`, which is DVC's own
`python -m dvc`, and `python -m pipeline.x`. Any other command line is that of the real `python`.
"""

import atexit
import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import NoReturn

LIBRARIES = (
    "cv2", "matplotlib.figure", "pandas", "pyarrow.parquet", "pydantic", "safetensors.torch",
    "scipy.optimize", "scipy.ndimage", "sklearn.linear_model", "timm", "torch", "torch._dynamo",
    "torchvision", "typer", "yaml",
)  # fmt: skip

OF_DVC = (
    "dvc.cli.parser", "dvc.repo.experiments.executor.local", "dvc.repo.experiments.queue.celery",
    "dvc.repo.experiments.queue.workspace", "hydra", "networkx", "pydot", "pygit2", "sqltrie",
)  # fmt: skip

CALLS = {
    "python": """\
#!/bin/sh
case "$1 $2" in
"-m stages."* | "-m pipeline."*) exec '{plain}' -IS '{this}' ask '{address}' "$@" ;;
*) exec '{real}' "$@" ;;
esac
""",
    "dvc": """\
#!/bin/sh
exec '{plain}' -IS '{this}' ask '{address}' -m dvc "$@"
""",
}


def start(folder: Path) -> tuple[subprocess.Popen, list[Path]]:
    """The server, and the `python` and `dvc` that use it."""
    address = folder / "socket"
    plain = f"{sys.base_prefix}/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
    names = {"plain": plain, "this": __file__, "address": address, "real": sys.executable}
    for name, text in CALLS.items():
        (folder / name).write_text(text.format(**names))
        (folder / name).chmod(0o755)
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-P", __file__, "serve", str(address)]
    server = subprocess.Popen(command, env=one_thread)
    while not address.exists():
        if server.poll() is not None:
            raise RuntimeError("the server of stages ended before it began")
        time.sleep(0.05)
    return server, [folder / name for name in CALLS]


def ask(address: str, *words: str) -> NoReturn:
    """Have `words` run by a child of the server's, and end as it ends."""
    server = socket.socket(socket.AF_UNIX)
    server.connect(address)
    call = json.dumps([str(Path.cwd()), words, dict(os.environ)]).encode()
    socket.send_fds(server, [len(call).to_bytes(8, "big")], [0, 1, 2])
    server.sendall(call)
    child = int.from_bytes(server.recv(8, socket.MSG_WAITALL), "big")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda got, frame: os.kill(child, got))
    status = int.from_bytes(server.recv(8, socket.MSG_WAITALL), "big")
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


def serve(address: str) -> None:
    """Answer whoever asks, as long as the tests run."""
    for library in (*LIBRARIES, *OF_DVC):
        import_module(library)
    gc.collect()
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{address}.new")
    listener.listen()
    Path(f"{address}.new").rename(address)
    listener.settimeout(5)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who answer
    tests = os.getppid()
    while os.getppid() == tests:
        try:
            caller, _ = listener.accept()
        except TimeoutError:
            continue
        if os.fork() == 0:
            listener.close()
            answer(caller)
            return
        caller.close()


def answer(caller: socket.socket) -> None:
    """Run what the caller asks for, and say how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    caller.setblocking(True)
    head, files, _, _ = socket.recv_fds(caller, 8, 3)
    call = caller.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL)
    child = os.fork()
    if child == 0:
        caller.close()
        run_module(files, *json.loads(call))
        return
    for file in files:
        os.close(file)
    caller.sendall(child.to_bytes(8, "big"))
    _, status = os.waitpid(child, 0)
    caller.sendall(status.to_bytes(8, "big"))
    os._exit(0)  # without a second's search for garbage


def run_module(files: list[int], folder: str, words: list[str], variables: dict[str, str]) -> None:
    """What `python -m <module> ...` does, in this process."""
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    sys.path.insert(0, folder)
    _, module, *sys.argv[1:] = words
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if isinstance(end.code, int | None):
            end_at_once(end.code or 0)
        raise


def end_at_once(code: int) -> NoReturn:
    """End as Python does, but for taking apart all that is in memory, which takes a second."""
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    {"ask": ask, "serve": serve}[sys.argv[1]](*sys.argv[2:])

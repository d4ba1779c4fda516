"""A `python` that has the libraries of stages in memory, so that each stage begins at once.

Half of a tiny stage's time goes into importing PyTorch and pandas. A server imports them, and
nothing of this project; `python -m stages.x` asks it for a child, which runs the stage's module
as Python does: in the caller's folder, with its arguments, environment and open files, and with
the code of that folder. Any other command line is that of the real `python`.

Run as a program, this file is the server.
"""

import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

LIBRARIES = (
    "cv2", "matplotlib.figure", "pandas", "pyarrow.parquet", "pydantic", "safetensors.torch",
    "scipy.optimize", "scipy.ndimage", "sklearn.linear_model", "torch", "torch._dynamo",
    "torchvision", "typer", "yaml",
)  # fmt: skip

CLIENT = """\
#!{real} -IS
import json, os, signal, socket, sys
if sys.argv[1:2] != ["-m"] or not sys.argv[2].startswith("stages."):
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
call = json.dumps([os.getcwd(), sys.argv[2:], dict(os.environ)]).encode()
socket.send_fds(server, [len(call).to_bytes(8, "big")], [0, 1, 2])
server.sendall(call)
child = int.from_bytes(server.recv(8, socket.MSG_WAITALL), "big")
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, frame: os.kill(child, number))
status = server.recv(8, socket.MSG_WAITALL)
code = os.waitstatus_to_exitcode(int.from_bytes(status, "big"))
os.kill(os.getpid(), -code) if code < 0 else os._exit(code)
"""


def start(folder: Path) -> tuple[subprocess.Popen, Path]:
    """The server, and the folder of the `python` that uses it."""
    address = folder / "socket"
    client = folder / "bin/python"
    client.parent.mkdir()
    real = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    client.write_text(CLIENT.format(real=real, python=sys.executable, address=str(address)))
    client.chmod(0o755)
    quiet = os.environ | {"OMP_NUM_THREADS": "1"}
    server = subprocess.Popen([sys.executable, "-P", __file__, str(address)], env=quiet)
    while not address.exists():
        if server.poll() is not None:
            raise RuntimeError("no warm Python came up")
        time.sleep(0.05)
    return server, client.parent


def serve(address: str) -> None:
    for library in LIBRARIES:
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
            os._exit(0)
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
        become(files, *json.loads(call))
    for file in files:
        os.close(file)
    caller.sendall(child.to_bytes(8, "big"))
    _, status = os.waitpid(child, 0)
    caller.sendall(status.to_bytes(8, "big"))


def become(files: list[int], folder: str, words: list[str], environment: dict[str, str]) -> None:
    """Run the stage in this process, a child of the server's."""
    code = 1
    try:
        for number, file in enumerate(files):
            os.dup2(file, number)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.path.insert(0, folder)
        module, *sys.argv[1:] = words
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
            if isinstance(end.code, str):
                sys.stderr.write(f"{end.code}\n")
        except BaseException:
            sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])

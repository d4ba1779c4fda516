"""An S3 server on loopback, for what is to be tried without a cloud: moto's, in memory."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

BUCKET = "cxr"
_PATIENCE_S = 120.0
_REQUEST = re.compile(r'"(GET|PUT) /cxr/([^ ?"]+)[^"]*" 200')


@dataclass(frozen=True)
class S3Server:
    """A running server with one empty bucket, and the log of its requests."""

    endpoint: str
    log: Path

    @property
    def environment(self) -> dict[str, str]:
        """Credentials, as DVC wants them: in the environment, in no file."""
        return {
            "AWS_ACCESS_KEY_ID": "anybody",
            "AWS_SECRET_ACCESS_KEY": "anything",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def requests(self, verb: str) -> list[str]:
        """Keys of the objects that were sent (PUT) or fetched (GET), in order."""
        found = _REQUEST.findall(self.log.read_text(encoding="utf-8", errors="replace"))
        return [key for method, key in found if method == verb]


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """Start a server, and stop it behind the block; its log is kept in `folder`."""
    port = _free_port()
    server = S3Server(f"http://127.0.0.1:{port}", folder / "s3.log")
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (
        server.log.open("wb") as log,
        subprocess.Popen(
            command, env=os.environ | server.environment, stderr=log, stdout=log
        ) as it,
    ):
        try:
            _make_bucket(server.endpoint, it)
            yield server
        finally:
            it.terminate()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _make_bucket(endpoint: str, server: subprocess.Popen[bytes]) -> None:
    request = urllib.request.Request(f"{endpoint}/{BUCKET}", method="PUT")
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            urllib.request.urlopen(request, timeout=_PATIENCE_S).close()
        except URLError:
            if server.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return

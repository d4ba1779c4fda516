"""The service on a real socket, in a thread of this process."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import requests
from tiny_cohort import pixels, png

from pipeline.predict.model import Model
from pipeline.predict.radiograph import read_radiograph
from pipeline.predict.service.server import listen, make_server


@contextmanager
def running(app: Any) -> Iterator[str]:
    """Its address, while it runs."""
    at = listen("127.0.0.1", 0)
    server = make_server(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [at]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{at.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def ask_at_once(
    address: str, *, clients: int, seconds: float = 0
) -> tuple[list[bytes], list[list[requests.Response]]]:
    """Each client asks for an image of its own until time is over, and at least once."""
    images = [png(pixels(number)) for number in range(clients)]
    until = time.monotonic() + seconds

    def ask(image: bytes) -> list[requests.Response]:
        answers: list[requests.Response] = []
        while not answers or time.monotonic() < until:
            form = {"file": ("radiograph", image)}
            answers.append(requests.post(f"{address}/predict", files=form, timeout=60))
        return answers

    with ThreadPoolExecutor(clients) as pool:
        return images, list(pool.map(ask, images))


def expect_each_its_own(
    model: Model, images: list[bytes], answers: list[list[requests.Response]]
) -> None:
    """Every answer is what the model says of its own image, and of no other."""
    said = [model.predict([read_radiograph(image)])[0].raw for image in images]
    assert len({tuple(one.values()) for one in said}) == len(images)
    for raw, own in zip(said, answers, strict=True):
        for answer in own:
            assert answer.status_code == 200
            found = {name: one["raw"] for name, one in answer.json()["findings"].items()}
            assert found == pytest.approx(raw, abs=1e-6)

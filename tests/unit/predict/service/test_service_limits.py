"""What the service does with too many, too slow and too long requests."""

import copy
import logging
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import urlsplit

import pytest
import requests
from served import ask_at_once, expect_each_its_own, running
from tiny_cohort import pixels, png

from pipeline.predict.service import server as server_module
from pipeline.predict.service.app import LOOPBACK, create_app
from pipeline.predict.service.limits import Limits

pytestmark = pytest.mark.xdist_group("service")

GREY = png(pixels(4))


@pytest.fixture
def held(model):
    """A model that predicts when it is let, and how many predictions began."""
    let, begun = threading.Event(), []
    slow = copy.copy(model)

    def predict(radiographs):
        begun.append(len(radiographs))
        let.wait(20)
        return model.predict(radiographs)

    slow.predict = predict
    yield slow, let, begun
    let.set()


def send(address, file=GREY):
    return requests.post(f"{address}/predict", files={"file": ("f", file)}, timeout=30)


def wait_until(holds):
    for _ in range(1000):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError("in vain")


def test_health_is_answered_while_a_prediction_runs_and_more_than_the_queue_are_told_to_come_back(
    held,
):
    slow, let, begun = held
    app = create_app(slow, Limits(waiting=2, seconds=20.0), {}, hosts=LOOPBACK)
    with running(app) as address, ThreadPoolExecutor(3) as clients:
        answers = [clients.submit(send, address) for _ in range(3)]
        wait_until(lambda: begun)
        wait_until(lambda: requests.get(f"{address}/health", timeout=2).ok)
        late = []
        wait_until(lambda: late.append(send(address)) or late[-1].status_code == 503)
        assert late[-1].headers["retry-after"] == "5"
        assert "requests are waiting already; try again" in late[-1].json()["detail"]
        assert begun == [1]  # one at a time
        let.set()
        assert [one.result().status_code for one in answers] == [200] * 3
        assert send(address).ok
    assert begun == [1] * 4


def test_eight_clients_at_once_are_each_answered_for_their_own_image(service, model):
    expect_each_its_own(model, *ask_at_once(service, clients=8))


def test_a_prediction_that_takes_too_long_is_given_up_and_the_next_is_answered(held):
    slow, let, begun = held
    app = create_app(slow, Limits(seconds=0.3), {}, hosts=LOOPBACK)
    with running(app) as address:
        for _ in range(2):  # the second waits for the first, in vain
            answer = send(address)
            assert answer.status_code == 504
            assert "no prediction within 0.3 s" in answer.json()["detail"]
        let.set()
        wait_until(lambda: send(address).ok)
    assert len(begun) >= 2
    assert begun[0] == 1


def test_a_fault_of_the_model_is_logged_by_its_place_and_never_in_words(model, caplog):
    broken = copy.copy(model)
    name = "".join(["DOE", "^", "JANE"])
    broken.predict = lambda radiographs: {}[name]
    app = create_app(broken, Limits(), {}, hosts=LOOPBACK)
    with running(app) as address, caplog.at_level(logging.INFO):
        answer = send(address)
    assert answer.status_code == 500
    assert answer.json() == {"detail": "the prediction failed (KeyError); see the log"}
    assert "a prediction failed: KeyError" in caplog.text
    assert "test_service_limits.py" in caplog.text
    assert name not in caplog.text


HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\n"
PART = b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 900\r\n\r\n--x"


def begin(address, words):
    """A connection on which a request begins and does not end."""
    at = urlsplit(address)
    connection = socket.create_connection((at.hostname, at.port), timeout=10)
    connection.sendall(words)
    return connection


def test_an_upload_that_does_not_end_is_ended(model):
    app = create_app(model, Limits(seconds=0.3), {}, hosts=LOOPBACK)
    with running(app) as address, begin(address, HEAD + PART) as connection:
        answer = b"".join(iter(partial(connection.recv, 10_000), b""))
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"the upload took longer than 0.3 s" in answer
        assert requests.get(f"{address}/health", timeout=5).ok


def test_a_connection_without_a_request_is_closed(model, monkeypatch):
    monkeypatch.setattr(server_module, "IDLE_S", 0.2)
    app = create_app(model, Limits(), {}, hosts=LOOPBACK)
    with running(app) as address, begin(address, HEAD) as connection:
        assert connection.recv(10) == b""
        assert requests.get(f"{address}/health", timeout=5).ok


def test_who_hangs_up_while_sending_is_forgotten_without_a_word(model, caplog):
    app = create_app(model, Limits(waiting=0), {}, hosts=LOOPBACK)
    with running(app) as address, caplog.at_level(logging.INFO):
        begin(address, HEAD + PART).close()
        wait_until(lambda: send(address).ok)
    assert caplog.text == ""

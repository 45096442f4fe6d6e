"""The demo as its users start it: it starts, it works, it ends, and nothing is lost or left behind."""

from __future__ import annotations

import io
import os
import signal
import socket
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.demo.running import SLICES, STOP_SECONDS, Client, Running, pixels, until
from tests.support.ports import free_port
from tests.support.process import PYTHON, ROOT

if TYPE_CHECKING:
    from tests.support.process import Process
    from tests.support.rabbitmq import Vhost

pytestmark = pytest.mark.real
slow = pytest.mark.slow

Start = Callable[..., "Process"]


@pytest.fixture
def embedded(tmp_path: Path, start: Start) -> Iterator[Running]:
    """The demo in one process."""
    demo = Running(tmp_path, start)
    yield demo
    demo.end()


@pytest.fixture
def on_rabbitmq(tmp_path: Path, start: Start, vhost: Vhost) -> Iterator[Running]:
    """The demo with RabbitMQ and a worker process."""
    demo = Running(tmp_path, start, AMQP_URL=vhost.url)
    yield demo
    demo.end()


def stop(demo: Running, number: int = signal.SIGTERM) -> None:
    """End the demo by a signal; return when the last of its processes is gone."""
    assert demo.process is not None
    os.kill(demo.process.pid, number)
    until(lambda: not demo.processes(), seconds=STOP_SECONDS, what="end of all processes")
    until(lambda: demo.process is not None and demo.process.exit_code is not None)


def state_of(client: Client, crop: str) -> str:
    return next(str(each["state"]) for each in client.crops() if each["id"] == crop)


def assert_whole(client: Client, crop: str) -> None:
    file = tifffile.imread(io.BytesIO(client.get(f"/crops/{crop}/download")))
    np.testing.assert_array_equal(file, np.stack([pixels(z) for z in range(SLICES)]))


# Everything in one process


def test_embedded__crop_from_request_to_download(embedded: Running) -> None:
    process = embedded.start()
    assert f"http://localhost:{embedded.port}/" in process.output
    assert "sign in as demo (password: demo) or guest (password: guest)" in process.output
    demo = embedded.client()
    assert "A small stack" in demo.page
    crop = demo.crop()
    until(lambda: state_of(demo, crop) == "done")
    assert_whole(demo, crop)
    (message,) = until(demo.messages)
    assert message["title"] == "Crop of A small stack is ready"
    assert message["action"] == f"/crops/{crop}/download"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        embedded.client("guest").get(f"/crops/{crop}/download")


def test_embedded__static_files_and_headers(embedded: Running) -> None:
    embedded.start()
    demo = embedded.client()
    assert b"class Viewer" in demo.get("/static/demo/viewer.js")
    assert demo.get("/static/catmaid_notify/index.js")
    assert demo.json("/channels/health/")["database"] == "ok"


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=slow), signal.SIGTERM])
def test_embedded__ends_while_idle(embedded: Running, number: int) -> None:
    process = embedded.start()
    stop(embedded, number)
    assert process.exit_code == 0
    assert "The demo has ended." in process.output
    assert "Traceback" not in process.output


def test_embedded__ends_while_it_makes_the_sample(embedded: Running, start: Start) -> None:
    process = start("demo", *command_of(embedded), env={**embedded.env, "DEMO_STACKS": ""})
    process.wait_for("Making the sample volume")
    os.kill(process.pid, signal.SIGTERM)
    until(lambda: process.exit_code is not None, seconds=STOP_SECONDS)
    assert process.exit_code == 0
    assert "The demo has ended." in process.output
    assert not list(embedded.var.glob("sample*"))


def test_embedded__ends_although_a_crop_hangs_and_tells_of_it_at_the_next_start(embedded: Running) -> None:
    # Not between two slices, where it would see that it shall stop.
    embedded.block(0)
    process = embedded.start()
    demo = embedded.client()
    crop = demo.crop()
    until(embedded.unfinished)
    stop(embedded)
    assert process.exit_code == 0
    embedded.start()
    assert embedded.unfinished() == []
    again = embedded.client()
    assert state_of(again, crop) == "failed"
    assert [message["text"] for message in again.messages()] == [
        "The server was restarted. Please ask for this crop again."
    ]
    assert again.json("/notify/unread")["tasks"] == []


def test_embedded__a_sigterm_between_two_slices(embedded: Running) -> None:
    """The crop stops by itself, and its user hears of it at once."""
    embedded.block(0)
    embedded.start()
    demo = embedded.client()
    crop = demo.crop()
    until(embedded.unfinished)
    assert embedded.process is not None
    os.kill(embedded.process.pid, signal.SIGTERM)
    # The reader of the pipe goes on with the next slice, where it sees that it shall stop.
    content = io.BytesIO()
    Image.fromarray(pixels(0)).save(content, "PNG")
    embedded.tile(0).write_bytes(content.getvalue())
    until(lambda: not embedded.processes(), seconds=STOP_SECONDS)
    assert embedded.unfinished() == []
    embedded.start()
    assert state_of(embedded.client(), crop) == "failed"
    assert [message["text"] for message in embedded.client().messages()] == [
        "The server is being stopped. Please ask for this crop again later."
    ]


# RabbitMQ and a worker process


def test_rabbitmq__crop_from_request_to_download(on_rabbitmq: Running) -> None:
    process = on_rabbitmq.start()
    assert "Running on RabbitMQ, with a worker process." in process.output
    demo = on_rabbitmq.client()
    crop = demo.crop()
    until(lambda: state_of(demo, crop) == "done")
    assert_whole(demo, crop)
    assert len(until(demo.messages)) == 1


@slow
def test_rabbitmq__ends_with_its_terminal(on_rabbitmq: Running) -> None:
    process = on_rabbitmq.start()
    stop(on_rabbitmq, signal.SIGHUP)
    assert process.exit_code == 0


def test_rabbitmq__a_crop_goes_on_after_the_next_start(on_rabbitmq: Running) -> None:
    on_rabbitmq.block(7)
    process = on_rabbitmq.start()
    demo = on_rabbitmq.client()
    crop = demo.crop()
    until(on_rabbitmq.unfinished)
    stop(on_rabbitmq, signal.SIGINT)
    assert process.exit_code == 0
    assert on_rabbitmq.unfinished() == []
    on_rabbitmq.unblock(7)
    on_rabbitmq.start()
    again = on_rabbitmq.client()
    until(lambda: state_of(again, crop) == "done")
    assert_whole(again, crop)
    (message,) = until(again.messages)
    assert message["title"] == "Crop of A small stack is ready"


def test_rabbitmq__a_killed_worker_process_loses_nothing(on_rabbitmq: Running) -> None:
    on_rabbitmq.block(7)
    on_rabbitmq.start()
    demo = on_rabbitmq.client()
    crop = demo.crop()
    (unfinished,) = until(on_rabbitmq.unfinished)
    (writer,) = until(lambda: [pid for pid in on_rabbitmq.processes() if has_open(pid, unfinished)])
    on_rabbitmq.unblock(7)
    os.kill(writer, signal.SIGKILL)
    until(lambda: state_of(demo, crop) == "done")
    assert_whole(demo, crop)
    assert on_rabbitmq.unfinished() == []
    assert len(until(demo.messages)) == 1


def test_rabbitmq__a_crop_that_takes_too_long(on_rabbitmq: Running) -> None:
    on_rabbitmq.env["DEMO_CROP_SECONDS_MAX"] = "1"
    on_rabbitmq.block(7)
    on_rabbitmq.start()
    client = on_rabbitmq.client()
    crop = client.crop()
    (message,) = until(client.messages)
    assert "took longer than" in message["text"]
    assert state_of(client, crop) == "failed"
    assert on_rabbitmq.unfinished() == []


def test_rabbitmq__revoked_by_who_runs_the_site(on_rabbitmq: Running, vhost: Vhost) -> None:
    from celery import Celery

    on_rabbitmq.block(7)
    on_rabbitmq.start()
    demo = on_rabbitmq.client()
    crop = demo.crop()
    until(on_rabbitmq.unfinished)
    with Celery(broker=vhost.url, set_as_current=False) as operator:
        operator.control.revoke(crop, terminate=True)
    (message,) = until(demo.messages)
    assert message["text"] == "It was cancelled by the administrators of this server."
    assert state_of(demo, crop) == "failed"
    until(lambda: not on_rabbitmq.unfinished())
    assert demo.json("/notify/unread")["tasks"] == []


@slow
def test_rabbitmq__ends_when_one_of_its_processes_dies(on_rabbitmq: Running) -> None:
    process = on_rabbitmq.start()
    worker = next(pid for pid in on_rabbitmq.processes() if b"celery" in command(pid) and parent(pid) == process.pid)
    os.kill(worker, signal.SIGKILL)
    until(lambda: not on_rabbitmq.processes(), seconds=STOP_SECONDS)
    until(lambda: process.exit_code is not None)
    assert process.exit_code == 1
    assert "The worker was killed by signal 9, so the demo ends." in process.output


@slow
def test_rabbitmq__nothing_outlives_a_killed_demo(on_rabbitmq: Running) -> None:
    on_rabbitmq.block(7)
    process = on_rabbitmq.start()
    on_rabbitmq.client().crop()
    until(on_rabbitmq.unfinished)
    assert len(on_rabbitmq.processes()) == 5  # itself, Daphne, the worker and its two
    os.kill(process.pid, signal.SIGKILL)
    until(lambda: not on_rabbitmq.processes(), seconds=40)


def has_open(pid: int, path: Path) -> bool:
    try:
        return any(link.readlink() == path for link in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:  # a file was closed, or the process has ended, while we looked
        return False


def command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


# What is wrong is said before anything starts


def test_demo__taken_port(embedded: Running, start: Start) -> None:
    with socket.create_server(("127.0.0.1", embedded.port)):
        process = start("demo", *command_of(embedded), env=embedded.env)
        until(lambda: process.exit_code is not None)
    assert process.exit_code == 1
    assert process.output == (
        f"CommandError: Port {embedded.port} is taken: another program listens there. "
        f"Choose another one: --port {embedded.port + 1}\n"
    )
    assert not (embedded.var / "demo.sqlite3").exists()


@slow
def test_demo__two_in_one_folder(embedded: Running, start: Start) -> None:
    embedded.start()
    second = start("second", *command_of(embedded, port=free_port()), env=embedded.env)
    until(lambda: second.exit_code is not None)
    assert second.exit_code == 1
    assert f"Another demo is running in {embedded.var}." in second.output
    assert embedded.client().crops() == []


WHOLE_NUMBER = "DEMO_CROP_BYTES_MAX must be a whole number, 1 or more; found"


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        pytest.param("DEMO_STACKS", "/none.json", "/none.json can't be read: No such file or directory.", marks=slow),
        pytest.param("DEMO_CROP_BYTES_MAX", "many", f"{WHOLE_NUMBER} 'many'.", marks=slow),
        pytest.param("DEMO_CROP_BYTES_MAX", "0", f"{WHOLE_NUMBER} '0'.", marks=slow),
        ("DATABASE_URL", "mysql://u:secret@h/d", "DATABASE_URL must be postgresql://user:password@host:port/name."),
    ],
)
def test_demo__wrong_variable(embedded: Running, start: Start, variable: str, value: str, words: str) -> None:
    process = start("demo", *command_of(embedded), env={**embedded.env, variable: value})
    until(lambda: process.exit_code is not None)
    assert process.exit_code == 1
    assert words in process.output
    assert "secret" not in process.output
    assert "Traceback" not in process.output


def command_of(demo: Running, *, port: int = 0) -> list[str]:
    return [PYTHON, str(ROOT / "demo/manage.py"), "demo", "--port", str(port or demo.port)]

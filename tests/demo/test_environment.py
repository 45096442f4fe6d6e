"""What the environment variables may say."""

from __future__ import annotations

import errno
import socket
import stat
import threading
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from demo import environment
from demo.running.sockets import CannotListen, listen


@pytest.mark.parametrize(
    ("value", "found"), [("", 5), ("1", 1), ("0070", 70), ("999999999999999999", 999999999999999999)]
)
def test_number__good(monkeypatch: pytest.MonkeyPatch, value: str, found: int) -> None:
    monkeypatch.setenv("DEMO_X", value)
    assert environment.number("DEMO_X", 5) == found


def test_number__least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_X", "0")
    assert environment.number("DEMO_X", 5, least=0) == 0


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "1e3", "٣", "²", "many", " 1", "1" * 19, "0x10"])
def test_number__bad(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("DEMO_X", value)
    with pytest.raises(ImproperlyConfigured, match="DEMO_X must be a whole number, 1 or more"):
        environment.number("DEMO_X", 5)


def test_database__sqlite_by_default(tmp_path: Path) -> None:
    found = environment.database("", tmp_path)
    assert found["NAME"] == tmp_path / "demo.sqlite3"
    assert found["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("postgresql://u:p@h:5433/d", ("d", "u", "p", "h", 5433)),
        ("postgres://u:p%40%2F@h/d%20e", ("d e", "u", "p@/", "h", "")),
        ("postgresql:///d", ("d", "", "", "", "")),
        ("postgresql://u@[::1]/d", ("d", "u", "", "::1", "")),
        ("postgresql://u@%2Frun%2Fpostgresql/d", ("d", "u", "", "/run/postgresql", "")),
    ],
)
def test_database__postgresql(tmp_path: Path, url: str, parts: tuple[object, ...]) -> None:
    found = environment.database(url, tmp_path)
    assert found["ENGINE"] == "django.db.backends.postgresql"
    assert tuple(found[key] for key in ("NAME", "USER", "PASSWORD", "HOST", "PORT")) == parts


@pytest.mark.parametrize(
    "url",
    ["mysql://u:secret@h/d", "secret", "postgresql://u:secret@h", "postgresql://u:secret@h:port/d", "http://[secret"],
)
def test_database__bad_and_never_repeated(tmp_path: Path, url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL") as caught:
        environment.database(url, tmp_path)
    assert "secret" not in str(caught.value)


def test_secret_key__is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    key = environment.secret_key(tmp_path)
    assert len(key) >= 50
    assert environment.secret_key(tmp_path) == key
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_secret_key__the_same_for_processes_that_start_together(tmp_path: Path) -> None:
    keys = []
    barrier = threading.Barrier(8)

    def run() -> None:
        barrier.wait()
        keys.append(environment.secret_key(tmp_path))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys)) == 1


# The socket


def test_listen__taken_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CannotListen, match=f"Port {port} is taken.*--port {port + 1}$"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize(
    ("host", "number", "words"),
    [
        ("127.0.0.1", errno.EACCES, "Port 80 is reserved for the administrator. Choose one above 1023."),
        ("192.0.2.1", errno.EADDRNOTAVAIL, "'192.0.2.1' is not an address of this machine."),
    ],
)
def test_listen__not_allowed(monkeypatch: pytest.MonkeyPatch, host: str, number: int, words: str) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise OSError(number, "refused")

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(CannotListen) as caught:
        listen(host, 80)
    assert str(caught.value) == words


def test_listen__no_such_host() -> None:
    with pytest.raises(CannotListen, match=r"There is no host 'no\.such\.host\.invalid'\."):
        listen("no.such.host.invalid", 8000)


def test_listen__answers_who_connects() -> None:
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()) as client:
        accepted, _ = listener.accept()
        accepted.close()
        assert client.recv(1) == b""

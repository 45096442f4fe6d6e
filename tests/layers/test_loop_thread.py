"""Per-process objects, such as the background loop: made once, and made anew after a fork."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from catmaid_notify.layers import loop_thread
from catmaid_notify.layers.loop_thread import PerProcess
from tests.support.process import run_script

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 20


def test_per_process__one_for_each_key() -> None:
    numbers: PerProcess[str, int] = PerProcess()
    calls: list[str] = []

    def make(key: str) -> int:
        calls.append(key)
        return len(calls)

    assert [numbers.get(key, make) for key in ("a", "b", "a", "b")] == [1, 2, 1, 2]
    assert numbers.all() == [1, 2]
    numbers.clear()
    assert numbers.get("a", make) == 3


def test_per_process__one_whatever_thread_comes_first() -> None:
    objects: PerProcess[str, object] = PerProcess()
    begun, may_go_on, got = threading.Event(), threading.Event(), []

    def make(_: str) -> object:
        begun.set()
        may_go_on.wait(SECONDS)
        return object()

    threads = [threading.Thread(target=lambda: got.append(objects.get("a", make))) for _ in range(2)]
    threads[0].start()
    assert begun.wait(SECONDS)
    threads[1].start()
    may_go_on.set()
    for thread in threads:
        thread.join(SECONDS)
    assert len(got) == 2
    assert got[0] is got[1]


def test_per_process__what_fails_is_tried_again() -> None:
    numbers: PerProcess[str, int] = PerProcess()

    def fails(key: str) -> int:
        raise LookupError(key)

    with pytest.raises(LookupError, match="a"):
        numbers.get("a", fails)
    assert numbers.get("a", lambda _: 7) == 7


def test_per_process__a_signals_handler_that_asks_meanwhile() -> None:
    numbers: PerProcess[str, int] = PerProcess()
    got: list[int] = []

    def make(key: str) -> int:
        got.append(numbers.get(key, lambda _: 1))
        return 2

    thread = threading.Thread(target=lambda: got.append(numbers.get("a", make)), daemon=True)
    thread.start()
    thread.join(SECONDS)
    assert got == [1, 1], "both have the one that is kept"


FORK = """
import os, signal, threading
from catmaid_notify.layers import channel_layer, loop_thread
from catmaid_notify.layers.options import LayerOptions

parent, begun, may_go_on = os.getpid(), threading.Event(), threading.Event()
options = LayerOptions.from_config({})

def slow(*_):
    if os.getpid() == parent:
        begun.set()
        may_go_on.wait()

SLOW = slow
thread = threading.Thread(target=lambda: CALL)
thread.start()
begun.wait()
child = os.fork()
if child == 0:
    signal.alarm(10)
    CALL
    os._exit(0)
_, status = os.waitpid(child, 0)
may_go_on.set()
thread.join()
os._exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.parametrize(
    ("slow", "call"),
    [
        ("loop_thread._start_native_thread", "loop_thread.loop()"),
        ("channel_layer.Publisher", "channel_layer.publisher(options)"),
    ],
)
def test_fork__while_another_thread_makes_one(tmp_path: Path, slow: str, call: str) -> None:
    """The child does not have that thread, so its lock would never be released."""
    done = run_script(tmp_path, FORK.replace("SLOW", slow).replace("CALL", call))
    assert (done.returncode, done.stderr) == (0, "")


def test_loop__the_same_for_all_threads() -> None:
    with ThreadPoolExecutor(4) as pool:
        (found,) = set(pool.map(lambda _: loop_thread.loop(), range(20)))
    assert found.is_running()

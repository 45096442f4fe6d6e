"""The seam in processes that are interrupted, or forked, just when it is about to make its layer."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catmaid_notify.push import push
from tests.support.process import run_script

if TYPE_CHECKING:
    from pytest_django import Settings

MESSAGE: Any = {"type": "user.message", "data": "a"}
SECONDS = 20
made: list[Interrupted] = []


class Interrupted:
    """A layer whose making is interrupted by a signal whose handler pushes, too."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        made.append(self)
        if len(made) == 1:
            push("updates-8", MESSAGE)

    def group_send_nowait(self, group: str, _message: dict[str, Any]) -> None:
        self.sent.append(group)


def test_push__by_a_signals_handler_that_interrupts_the_first_push(settings: Settings) -> None:
    made.clear()
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": f"{__name__}.Interrupted"}}
    thread = threading.Thread(target=push, args=("updates-7", MESSAGE), daemon=True)
    thread.start()
    thread.join(SECONDS)
    assert not thread.is_alive()
    push("updates-9", MESSAGE)
    sent = [group for layer in made for group in layer.sent]
    assert sorted(sent) == ["updates-7", "updates-8", "updates-9"]
    assert len(made) == 2, "one of them is kept"


FORK = """
import os, signal, sys, threading
from django.conf import settings

parent, waits, may_go_on = os.getpid(), threading.Event(), threading.Event()

class Layer:
    def __init__(self):
        if os.getpid() == parent:
            waits.set()
            may_go_on.wait()

    def group_send_nowait(self, group, message):
        print(group, flush=True)

sys.modules["layer_of_this_test"] = sys.modules["__main__"]
settings.configure(CHANNEL_LAYERS={"default": {"BACKEND": "layer_of_this_test.Layer"}})
from catmaid_notify.push import push

thread = threading.Thread(target=push, args=("parent", {"type": "a"}))
thread.start()
waits.wait()
child = os.fork()
if child == 0:
    signal.alarm(10)
    push("child", {"type": "a"})
    os._exit(0)
_, status = os.waitpid(child, 0)
may_go_on.set()
thread.join()
sys.exit(os.waitstatus_to_exitcode(status))
"""


def test_push__after_a_fork_while_another_thread_makes_the_layer(tmp_path: Path) -> None:
    done = run_script(tmp_path, FORK)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["child", "parent"], "")

"""`Throttle`: few calls, but always the last one."""

from __future__ import annotations

import threading

from catmaid_notify.tasks.throttle import Throttle

LONG = 60.0


class Sent:
    """Notes what was sent, and tells when so many were."""

    def __init__(self) -> None:
        self.states: list[int] = []
        self._more = threading.Condition()

    def __call__(self, state: int) -> None:
        with self._more:
            self.states.append(state)
            self._more.notify_all()

    def wait_for(self, count: int) -> list[int]:
        with self._more:
            assert self._more.wait_for(lambda: len(self.states) >= count, timeout=20)
            return list(self.states)


def test_throttle__first_at_once_and_the_rest_of_a_burst_not() -> None:
    sent = Sent()
    throttle = Throttle(sent, LONG)
    for state in range(5):
        throttle(state)
    assert sent.states == [0]
    throttle.stop()


def test_throttle__last_of_a_burst_follows_by_itself() -> None:
    sent = Sent()
    throttle = Throttle(sent, 0.05)
    for state in range(5):
        throttle(state)
    assert sent.wait_for(2)[-1] == 4


def test_throttle__at_once_takes_the_place_of_what_was_held() -> None:
    sent = Sent()
    throttle = Throttle(sent, LONG)
    for state in range(3):
        throttle(state)
    throttle(9, at_once=True)
    assert sent.states == [0, 9]
    assert throttle._held == []
    throttle.stop()


def test_throttle__nothing_after_stop() -> None:
    sent = Sent()
    throttle = Throttle(sent, LONG)
    throttle(0)
    throttle(1)
    timer = throttle._timer
    assert timer is not None
    throttle.stop()
    timer.join(20)
    throttle._send_held()  # a timer that was running already when it was stopped
    throttle(2, at_once=True)
    assert sent.states == [0]

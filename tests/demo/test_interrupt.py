"""SIGTERM becomes an exception in the main thread, and nowhere else."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from demo.tiff_export.interrupt import sigterm_raises


def test_sigterm_raises__in_the_block_only() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as caught, sigterm_raises():
        os.kill(os.getpid(), signal.SIGTERM)
    assert caught.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before


def test_sigterm_raises__a_second_one_does_not_interrupt_the_clean_up() -> None:
    cleaned = []

    def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            cleaned.append(True)

    with pytest.raises(SystemExit), sigterm_raises():
        work()
    assert cleaned == [True]


def test_sigterm_raises__does_nothing_in_other_threads() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def run() -> None:
        with sigterm_raises():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [before]

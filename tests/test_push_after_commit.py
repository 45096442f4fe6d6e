"""Callbacks after commit that fail."""

from __future__ import annotations

import logging

import pytest
from django.db import transaction

from catmaid_notify.push import call_after_commit

pytestmark = pytest.mark.django_db(transaction=True)


def fail(*_arguments: object) -> None:
    raise OSError("away")


@pytest.mark.parametrize("atomic", [True, False])
def test_failure__harms_neither_caller_nor_other_callbacks(caplog: pytest.LogCaptureFixture, *, atomic: bool) -> None:
    done: list[str] = []

    def both() -> None:
        call_after_commit("default", fail, 1)
        transaction.on_commit(lambda: done.append("the site's own"))

    with caplog.at_level(logging.ERROR, logger="django.db.backends.base"):
        if atomic:
            with transaction.atomic():
                both()
                assert not done
        else:
            both()
    assert done == ["the site's own"]
    assert "Error calling fail in on_commit()" in caplog.text


def test_rollback__nothing_is_called() -> None:
    done: list[int] = []
    with transaction.atomic():
        call_after_commit("default", done.append, 1)
        transaction.set_rollback(True)
    assert not done

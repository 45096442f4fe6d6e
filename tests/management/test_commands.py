"""The small commands, ``notify_send`` and ``notify_prune``, and the arguments of ``notify_check``."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from catmaid_notify import api
from catmaid_notify.management.commands import notify_prune
from catmaid_notify.models import Message

pytestmark = pytest.mark.django_db


def call(*arguments: str) -> str:
    output = StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue().strip()


@pytest.fixture
def ann(django_user_model):
    return django_user_model.objects.create_user("ann")


def test_send__stores_a_message(ann):
    said = call("notify_send", "ann", "Hello", "--text=from the shell", "--action=/news/", "--level=warning")
    message = Message.objects.get()
    assert said == f"Message {message.pk} for ann"
    assert (message.user, message.title, message.text) == (ann, "Hello", "from the shell")
    assert (message.action, message.level) == ("/news/", "warning")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("bob", "Hello"), "There is no user with the username 'bob'."),
        (("ann", " "), "title"),
        (("ann", "Hello", "--action=javascript:alert(1)"), "action"),
        (("ann", "Hello", "--level=loud"), "invalid choice"),
    ],
)
def test_send__wrong_argument(ann, arguments, words):
    with pytest.raises(CommandError, match=words):
        call("notify_send", *arguments)
    assert not Message.objects.exists()


@pytest.fixture
def messages(ann):
    """By whether it was read and by age in days."""
    made = {}
    for read in (True, False):
        for age in (1, 100):
            message = api.notify_user(ann, "Hello")
            Message.objects.filter(pk=message.pk).update(read=read, time=timezone.now() - timedelta(days=age))
            made[read, age] = message.pk
    return made


def left(messages) -> set[tuple[bool, int]]:
    pks = set(Message.objects.values_list("pk", flat=True))
    return {kind for kind, pk in messages.items() if pk in pks}


def test_prune__deletes_what_is_old_and_read(messages):
    assert call("notify_prune") == "1 messages deleted"
    assert left(messages) == messages.keys() - {(True, 100)}


def test_prune__age_is_given(messages, monkeypatch):
    monkeypatch.setattr(notify_prune, "BATCH", 1)
    assert call("notify_prune", "--days=0.5") == "2 messages deleted"
    assert left(messages) == {(False, 1), (False, 100)}


def test_prune__only_counts(messages):
    assert call("notify_prune", "--dry-run") == "1 messages would be deleted"
    assert left(messages) == messages.keys()


@pytest.mark.parametrize("days", ["-1", "nan", "1e9"])
def test_prune__impossible_age(days):
    with pytest.raises(CommandError, match="--days must be"):
        call("notify_prune", f"--days={days}")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--url=www.example.org",), "is not the address of a site"),
        (("--url=https://www.example.org/?a=b",), "is not the address of a site"),
        (("--url=http://ann:secret@localhost/",), "is not the address of a site"),
        (("--user=nobody",), "There is no user with the username 'nobody'"),
        (("--timeout=0",), "--timeout must be above 0"),
        (("--timeout=nan",), "--timeout must be above 0"),
    ],
)
def test_check__wrong_argument(arguments, words):
    with pytest.raises(CommandError, match=words):
        call("notify_check", *arguments)


def test_check__site_of_one_process():
    """With everything in memory there is nothing that another process could reach, and nothing failed."""
    steps = json.loads(call("notify_check", "--json", "--celery=tests.celery_app"))["steps"]
    levels = {step["step"]: step["level"] for step in steps}
    assert levels == {
        "settings": "warning",
        "database": "ok",
        "migrations": "ok",
        "channel layer": "warning",
        "vhosts": "skipped",
        "celery broker": "skipped",
        "celery worker": "skipped",
        "worker's push": "skipped",
    }


def test_check__failure_is_the_exit_code(settings):
    settings.ROOT_URLCONF = "tests.support.no_urls"
    lines = _output_of_failure("notify_check").splitlines()
    assert lines[0].startswith("failed   settings           The URLs of the inbox are not included")
    assert lines[1].strip().startswith('-> Add path("", include("catmaid_notify.urls"))')
    assert lines[-1] == "1 of 8 steps failed"


def test_check__error_that_no_step_expects(settings):
    settings.ROOT_URLCONF = "no_such_module.urls"
    steps = json.loads(_output_of_failure("notify_check", "--json"))["steps"]
    assert steps[0]["text"] == "ModuleNotFoundError: No module named 'no_such_module'"
    assert "--traceback" in steps[0]["hints"][0]
    assert steps[1]["level"] == "ok", "the others are taken all the same"
    with pytest.raises(ModuleNotFoundError):
        call("notify_check", "--traceback")


def _output_of_failure(*arguments: str) -> str:
    output = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command(*arguments, stdout=output)
    assert ended.value.code == 1
    return output.getvalue()

"""The Python examples of docs/messages.md, docs/tasks.md and docs/topics.md run, and do what the pages say."""

from __future__ import annotations

import contextlib
import json
import sys
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from celery.exceptions import Ignore
from celery.signals import task_failure
from django.conf import settings as site_settings
from django.contrib.auth.models import Group
from django.core.exceptions import ImproperlyConfigured
from django.db.models.signals import post_delete, post_save

from catmaid_notify import topics
from catmaid_notify.exceptions import UserTaskError
from catmaid_notify.models import Message, TaskProgress
from catmaid_notify.tasks import UserTask
from catmaid_notify.topics import permissions, registry
from tests.celery_app import app
from tests.docs import examples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.contrib.auth.models import User
    from django.test import Client, RequestFactory
    from pytest_django import Settings

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def layer(settings: Settings) -> Iterator[None]:
    """Keep what is pushed."""
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "tests.docs.examples.RecordingLayer"}}
    examples.sent.clear()
    yield
    examples.sent.clear()


@pytest.fixture
def sheets() -> Iterator[None]:
    """A site that declares the topic of the examples; where the demo is installed, it does."""
    pattern = "sheet:<slug:name>"
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImproperlyConfigured):
            topics.register(pattern, may_follow=lambda user, name: True)
            stack.callback(topics.unregister, pattern)
        yield


@pytest.fixture
def ann(django_user_model: type[User]) -> User:
    return django_user_model.objects.create_user("ann")


@pytest.fixture
def request_of_ann(rf: RequestFactory, client: Client, ann: User) -> Any:
    client.force_login(ann)
    request = rf.get("/")
    request.user, request.session = ann, client.session
    return request


def inbox(user: User) -> list[tuple[str, str]]:
    """Return level and title of a user's messages, in their order."""
    return list(Message.objects.for_user(user.pk).order_by("pk").values_list("level", "title"))


def events_sent() -> list[str]:
    """Return the names of all events that were pushed."""
    frames = [message.get("data") or message["v1"] for _group, message in examples.sent]
    return [json.loads(frame)["event"] for frame in frames]


@pytest.mark.usefixtures("sheets")
def test_messages(ann: User, request_of_ann: Any, django_user_model: type[User]) -> None:
    bob = django_user_model.objects.create_user("bob")
    reviewers = Group.objects.create(name="reviewers")
    reviewers.user_set.add(ann, bob)
    dataset = SimpleNamespace(pk=3, published=False, save=lambda: None)
    namespace = {"__name__": "mysite.views", "user": ann, "colleague": bob, "request": request_of_ann}
    databases = {"default": dict(site_settings.DATABASES["default"])}
    examples.run("messages.md", {**namespace, "dataset": dataset, "DATABASES": databases})
    assert inbox(bob) == [("warning", "Maintenance at 18:00"), ("info", "The atlas has moved")]
    assert inbox(ann) == [
        ("success", "Import finished"),
        ("warning", "Disk is almost full"),
        ("info", "Nightly export is ready"),
        ("info", "Dataset published"),
        ("warning", "Maintenance at 18:00"),
        ("info", "The atlas has moved"),
        ("success", "Import finished"),
    ]
    assert [event for event in events_sent() if event not in ("new-message", "message-read")] == [
        "neuron-changed",
        "review-open",
        "queue-length",
        "wizard-step",
        "release",
        "cell",
        "recalculating",
        "saved",
    ]
    assert events_sent().count("new-message") == Message.objects.count()


def downloads_at_the_second_try() -> Callable[[str], int]:
    """Return a function that fails once."""
    tries: list[str] = []

    def download(url: str) -> int:
        tries.append(url)
        if len(tries) == 1:
            raise ConnectionError("refused")
        return len(tries)

    return download


def run_in_its_place(_task: UserTask, signature: Any) -> None:
    """Replace a task as a worker does; where tasks run at once, Celery waits for its result, which it forbids."""
    signature.apply()
    raise Ignore


def test_tasks(ann: User, request_of_ann: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.conf, "task_always_eager", value=True)
    monkeypatch.setattr(UserTask, "on_replace", run_in_its_place)
    failed: list[BaseException] = []

    def note(exception: BaseException, **_others: Any) -> None:
        failed.append(exception)

    task_failure.connect(note)
    try:
        examples.run(
            "tasks.md",
            {
                "__name__": "mysite.tasks",
                "user": ann,
                "request": request_of_ann,
                "write_swc": lambda _neuron_id: None,
                "write_archive": lambda neuron_ids: len(neuron_ids),
                "save_job": lambda _user: SimpleNamespace(neuron_ids=[4]),
                "neurons_of": lambda _region: [5, 6],
                "cut": lambda *_arguments: 0,
                "download": downloads_at_the_second_try(),
            },
        )
    finally:
        task_failure.disconnect(note)
    # Celery keeps what a task raises, so that no example would fail by itself.
    assert [type(error) for error in failed] == [UserTaskError]
    assert inbox(ann) == [
        ("success", "Export is finished"),
        ("success", "Export is finished"),
        ("success", "Rebuild is finished"),
        ("success", "Export is finished"),
        ("success", "Your export is ready"),
        ("error", "Crop has failed"),
        ("success", "Fetch is finished"),
        ("success", "Export is finished"),
        ("success", "Export is finished"),
    ]
    linked = Message.objects.get(title="Your export is ready")
    assert linked.action == "/exports/2/"
    assert Message.objects.get(level="error").text == "The region is empty. Please draw a larger one."
    assert not TaskProgress.objects.exists()


@pytest.fixture
def no_declarations(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A site that has not declared a topic yet, and whose models publish nothing."""
    before = [(signal, list(signal.receivers or ())) for signal in (post_save, post_delete)]
    monkeypatch.setattr(registry, "_declarations", {})
    registry._find.cache_clear()
    yield
    registry._find.cache_clear()
    for signal, receivers in before:
        signal.receivers = receivers
        signal.sender_receivers_cache.clear()


@pytest.mark.usefixtures("no_declarations")
def test_topics(ann: User, rf: RequestFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    from demo.shared.models import Cell

    granted = {("budget", ann)}
    sheets = SimpleNamespace(filter=lambda name, members: SimpleNamespace(exists=lambda: (name, members) in granted))
    models = ModuleType("mysite.sheets.models")
    models.Sheet = SimpleNamespace(objects=sheets)  # type: ignore[attr-defined]
    for name in ("mysite", "mysite.sheets"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, models.__name__, models)
    namespace: dict[str, Any] = {"__name__": "mysite.sheets.topics", "user": ann, "Cell": Cell}
    examples.run("topics.md", namespace)
    assert events_of_topics() == ["cell", "recalculating"]
    topic = topics.find("sheet:budget")
    assert topic.declaration.may_follow is namespace["may_see"]
    assert permissions.allowed([ann], topic) == {ann.pk}
    granted.clear()
    assert permissions.allowed([ann], topic) == set()
    examples.sent.clear()
    answer = namespace["save_cell"](rf.post("/", {"value": "18"}, headers={"X-Sender": "tab-1"}))
    assert answer.status_code == 204
    [(_group, message)] = examples.sent
    frame = json.loads(message["v1"])
    assert (frame["payload"]["value"], frame["sender"]) == ("18", "tab-1")


def events_of_topics() -> list[str]:
    """Return the names of the events that were published into topics."""
    return [json.loads(message["v1"])["event"] for _group, message in examples.sent if "v1" in message]

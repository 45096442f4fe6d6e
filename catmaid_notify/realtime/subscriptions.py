"""Topic subscriptions of this process's sockets: requests of pages, permission checks, periodic rechecks."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Final, NamedTuple

from catmaid_notify import topics
from catmaid_notify.conf import conf
from catmaid_notify.exceptions import UnknownTopic
from catmaid_notify.protocol import Event, frame, user_key
from catmaid_notify.realtime.groups import LocalGroups
from catmaid_notify.realtime.presence_writer import PresenceWriter
from catmaid_notify.realtime.socket import Socket
from catmaid_notify.topics import Topic, last_values, permissions
from catmaid_notify.utils import db_threads
from catmaid_notify.utils.asyncio import being_cancelled, set_within
from catmaid_notify.utils.chunks import batches

logger = logging.getLogger("catmaid_notify")
security_logger = logging.getLogger("catmaid_notify.security")

RETRY_SECONDS: Final = 2.0
"""Pause before failed ``subscribe`` requests are tried again."""
TOPICS_AT_ONCE: Final = 200
"""Requests of one page that are handled together. Other pages have their turn in between."""
USERS_AT_ONCE: Final = 1000
"""Users per call when permissions are checked again."""

QUERIES_AT_ONCE: Final = 500
"""Permission queries that are batched into one call."""
WORKERS: Final = 2
"""Batches of permission queries under way at the same time, so that one slow answer does not delay all others."""


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    """A ``subscribe``, ``unsubscribe`` or ``publish`` frame of a page. Its fields may hold any JSON value."""

    event: Event
    topic: Any
    ref: Any
    payload: Any


class _Follower:
    """Subscriptions and pending requests of one socket."""

    __slots__ = ("requests", "subscribe_count", "task", "topics")

    def __init__(self) -> None:
        self.topics: dict[str, Topic] = {}
        self.subscribe_count = 0
        """Number of all ``subscribe`` requests of the socket."""
        self.requests: list[_Request] = []
        """Requests that have not been answered, in order."""
        self.task: asyncio.Task[None] | None = None
        """Task that handles the requests; ``None`` while there are none."""


class _PermissionQuery(NamedTuple):
    """Request for those of ``topics`` that the user ``pk`` may follow."""

    pk: Any
    topics: list[Topic]
    answer: asyncio.Future[set[Topic]]


class PermissionBatcher:
    """Batches permission checks of topics. All methods belong to one loop."""

    def __init__(self) -> None:
        self._queries: list[_PermissionQuery] = []
        self._workers: set[asyncio.Task[None]] = set()

    async def allowed_topics(self, pk: Any, topics: list[Topic]) -> set[Topic]:
        """Return those of ``topics`` that the user ``pk`` may follow.

        Raises:
            django.db.Error: the database failed.
        """
        if not topics:
            return set()
        loop = asyncio.get_running_loop()
        query = _PermissionQuery(pk, topics, loop.create_future())
        self._queries.append(query)
        if len(self._workers) < WORKERS:
            worker = loop.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        return await query.answer

    async def _work(self) -> None:
        while self._queries:
            queries, self._queries = (
                self._queries[:QUERIES_AT_ONCE],
                self._queries[QUERIES_AT_ONCE:],
            )
            pks: dict[Topic, set[Any]] = defaultdict(set)
            for query in queries:
                for topic in query.topics:
                    pks[topic].add(query.pk)
            try:
                topic_users = [(topic, list(users)) for topic, users in pks.items()]
                answers = await db_threads.ask_for_page(permissions.followers_among, topic_users)
            except Exception as error:  # noqa: BLE001 - the error is passed to the callers
                for query in queries:
                    if not query.answer.done():
                        query.answer.set_exception(error)
                continue
            allowed = dict(zip(pks, answers, strict=True))
            for query in queries:
                if not query.answer.done():  # the caller may have been cancelled
                    query.answer.set_result({topic for topic in query.topics if query.pk in allowed[topic]})


class SubscriptionManager:
    """Manages the topic subscriptions of one loop's sockets. All methods belong to that loop."""

    def __init__(self, local_groups: LocalGroups, presence: PresenceWriter) -> None:
        self._groups = local_groups
        self._presence = presence
        self._batcher = PermissionBatcher()
        self._followers: dict[Socket, _Follower] = {}
        self._due: dict[Topic, set[Socket]] = defaultdict(set)
        self._wake = asyncio.Event()
        self._round_due = time.monotonic() + conf.TOPIC_CHECK_SECONDS

    def submit(self, socket: Socket, event: Event, topic: Any, ref: Any, payload: Any) -> bool:
        """Queue a request of a page. The requests of a socket are handled in order.

        Args:
            socket: socket of the page.
            event: ``SUBSCRIBE``, ``UNSUBSCRIBE`` or ``PUBLISH``.
            topic: name of the topic; from the page, so any JSON value, as the next two are.
            ref: value that the answer repeats.
            payload: content of a ``publish`` request.

        Returns:
            True for one of the socket's first ``TOPICS_PER_SOCKET`` subscribe requests, which count for no rate limit.

        Raises:
            InvalidEvent: the answer could not repeat ``topic`` or ``ref``.
        """
        frame(event, ref=ref, topic=topic)  # raises here, where the request can still be ignored
        follower = self._followers.setdefault(socket, _Follower())
        within = False
        if event == Event.SUBSCRIBE:
            within = follower.subscribe_count < conf.TOPICS_PER_SOCKET
            follower.subscribe_count += 1
        follower.requests.append(_Request(event, topic, ref, payload))
        if follower.task is None:
            follower.task = asyncio.get_running_loop().create_task(self._serve(socket, follower))
        return within

    def forget(self, socket: Socket) -> None:
        """Drop all subscriptions and requests of a socket that has left."""
        follower = self._followers.pop(socket, None)
        if follower is None:
            return
        if follower.task is not None:
            follower.task.cancel()
        for topic in tuple(follower.topics.values()):
            self._unfollow(socket, follower, topic)

    def handle_control_message(self, group: str, message: dict[str, Any], sockets: Iterable[Socket]) -> bool:
        """Carry out an order to recheck the subscriptions of ``sockets``; return false if the message is not one.

        In a topic's group the order is about that topic only, in any other group about all topics of the sockets.
        """
        if message.get("recheck") is not True:
            return False
        for socket, follower in self._with_followers(sockets):
            for topic in follower.topics.values():
                if group == topic.group or not group.startswith("topic-"):
                    self._due[topic].add(socket)
        self._wake.set()
        return True

    async def check(self) -> None:
        """Take one turn: wait until permissions are due, of all subscriptions or of ordered ones, and check them.

        Raises:
            Exception: a query failed; what is not checked is due again.
        """
        left = self._round_due - time.monotonic()
        if not await set_within(self._wake, max(0.0, left)):
            self._round_due = time.monotonic() + conf.TOPIC_CHECK_SECONDS
            for socket, follower in self._followers.items():
                for topic in follower.topics.values():
                    self._due[topic].add(socket)
        self._wake.clear()
        await self._recheck()

    # Requests of pages

    async def _serve(self, socket: Socket, follower: _Follower) -> None:
        while follower.requests:
            event = follower.requests[0].event
            batch = list(takewhile(lambda request: request.event == event, follower.requests))[:TOPICS_AT_ONCE]  # noqa: B023 - used at once
            try:
                if event == Event.SUBSCRIBE:
                    await self._subscribe(socket, follower, batch)
                elif event == Event.UNSUBSCRIBE:
                    self._unsubscribe(socket, follower, batch)
                else:
                    await self._publish_requests(socket, batch)
            except (Exception, asyncio.CancelledError) as error:
                if being_cancelled():
                    raise
                reason = f"{type(error).__name__}: {error}"
                if event == Event.SUBSCRIBE:  # an outage of the database or the broker ends, so try the batch again
                    logger.warning("Topics not subscribed, trying again: reason=%s", reason)
                    await asyncio.sleep(RETRY_SECONDS)
                    continue
                # No second try: a part of the batch may have been published. The page's next requests go on.
                logger.error("Requests of a page dropped: what=%s reason=%s", event, reason, exc_info=error)
            del follower.requests[: len(batch)]
        follower.task = None

    async def _subscribe(self, socket: Socket, follower: _Follower, requests: list[_Request]) -> None:
        wanted, reasons = _select_topics(follower, requests)
        granted = await self._batcher.allowed_topics(socket.sign_in.user_pk, wanted)
        try:
            await self._enter(socket, granted)
            values = await self._last_value_frames(granted)
        except BaseException:
            for topic in granted:
                if topic.name not in follower.topics:
                    self._groups.exit(socket, topic.group)
            raise
        for topic in wanted:
            if topic in granted:
                self._follow(socket, follower, topic)
            else:
                self._unfollow(socket, follower, topic)
        allowed = {topic.name for topic in granted}
        for request in requests:
            if isinstance(request.topic, str) and request.topic in allowed:
                socket.push(frame(Event.SUBSCRIBED, topic=request.topic, ref=request.ref))
                if request.topic in values:
                    socket.push(values[request.topic])
            else:
                self._refuse(socket, request, reasons.get(request, "not allowed"))

    async def _enter(self, socket: Socket, granted: Iterable[Topic]) -> None:
        entering = (self._groups.enter(socket, topic.group) for topic in granted)
        for outcome in await asyncio.gather(*entering, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def _last_value_frames(self, granted: Iterable[Topic]) -> dict[str, str]:
        """Return the frames with the last values of topics, by topic name.

        Call this after the groups are joined: a value that is published during the query then arrives as well.
        """
        names = [topic.name for topic in granted if topic.declaration.keep_seconds]
        found = await db_threads.ask_for_page(last_values.load, names) if names else {}
        return {name: frame(**last_values.as_dict(value)) for name, value in found.items()}

    def _unsubscribe(self, socket: Socket, follower: _Follower, requests: list[_Request]) -> None:
        for request in requests:
            topic = follower.topics.get(request.topic) if isinstance(request.topic, str) else None
            if topic is not None:
                self._unfollow(socket, follower, topic)
            socket.push(frame(Event.UNSUBSCRIBED, topic=request.topic, ref=request.ref))

    async def _publish_requests(self, socket: Socket, requests: list[_Request]) -> None:
        for request in requests:
            content = request.payload if isinstance(request.payload, dict) else {}
            arguments = (content.get("event"), content.get("payload"), content.get("sender"))
            try:
                topic = topics.find(request.topic)
                await db_threads.ask_for_page(permissions.publish_from_page, socket.sign_in.user_pk, topic, *arguments)
            except UnknownTopic:
                self._refuse(socket, request, "unknown topic")
            except permissions.PublishRefused as refused:
                self._refuse(socket, request, str(refused))
            except Exception as error:  # noqa: BLE001 - publishing is at most once: no second try, the page is told
                logger.warning("Event of a page not published: reason=%s: %s", type(error).__name__, error)
                self._refuse(socket, request, "failed")

    def _refuse(self, socket: Socket, request: _Request, reason: str) -> None:
        _log_refusal(socket, request.event, request.topic, reason)
        socket.push(frame(Event.REFUSED, {"reason": reason}, topic=request.topic, ref=request.ref))

    def _follow(self, socket: Socket, follower: _Follower, topic: Topic) -> None:
        if topic.name not in follower.topics:
            follower.topics[topic.name] = topic
            self._presence.add(socket.sign_in.user_pk, topic.name)

    def _unfollow(self, socket: Socket, follower: _Follower, topic: Topic) -> None:
        if follower.topics.pop(topic.name, None) is not None:
            self._groups.exit(socket, topic.group)
            self._presence.remove(socket.sign_in.user_pk, topic.name)

    # Rechecks

    async def _recheck(self) -> None:
        """Check the permissions that are due, and end the subscriptions that are no longer allowed."""
        due, self._due = self._due, defaultdict(set)
        queries = (
            (topic, pks)
            for topic, sockets in due.items()
            for pks in batches({socket.sign_in.user_pk for socket in sockets}, USERS_AT_ONCE)
        )
        for batch in _group_queries(queries):
            try:
                answers = await db_threads.ask_for_page(permissions.followers_among, batch)
            except BaseException:
                for topic, sockets in due.items():
                    self._due[topic] |= sockets
                self._wake.set()
                raise
            for (topic, pks), allowed in zip(batch, answers, strict=True):
                self._revoke(topic, due[topic], set(pks) - allowed)

    def _revoke(self, topic: Topic, sockets: Iterable[Socket], pks: set[Any]) -> None:
        for socket, follower in self._with_followers(sockets):
            if socket.sign_in.user_pk in pks and topic.name in follower.topics:
                self._unfollow(socket, follower, topic)
                _log_refusal(socket, Event.SUBSCRIBE, topic.name, "not allowed any more")
                socket.push(frame(Event.REFUSED, {"reason": "not allowed any more"}, topic=topic.name))

    def _with_followers(self, sockets: Iterable[Socket]) -> Iterator[tuple[Socket, _Follower]]:
        return ((socket, self._followers[socket]) for socket in sockets if socket in self._followers)


def _select_topics(follower: _Follower, requests: Iterable[_Request]) -> tuple[list[Topic], dict[_Request, str]]:
    """Return the topics whose permissions are to be checked, and the reasons why other requests are refused."""
    wanted: dict[str, Topic] = {}
    reasons: dict[_Request, str] = {}
    for request in requests:
        try:
            topic = topics.find(request.topic)
        except UnknownTopic:
            reasons[request] = "unknown topic"
            continue
        is_known = topic.name in follower.topics or topic.name in wanted
        more = sum(name not in follower.topics for name in wanted)
        if not is_known and len(follower.topics) + more >= conf.TOPICS_PER_SOCKET:
            reasons[request] = "too many topics"
        else:
            wanted[topic.name] = topic
    return list(wanted.values()), reasons


def _group_queries(queries: Iterable[tuple[Topic, list[Any]]]) -> Iterator[list[tuple[Topic, list[Any]]]]:
    """Group queries into batches of about `USERS_AT_ONCE` users."""
    batch: list[tuple[Topic, list[Any]]] = []
    size = 0
    for query in queries:
        batch.append(query)
        size += len(query[1])
        if size >= USERS_AT_ONCE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _log_refusal(socket: Socket, event: str, topic: Any, reason: str) -> None:
    # Only known reasons: the text of a topic's own code may repeat what the page has sent.
    known = reason if reason in ("unknown topic", "too many topics", "not allowed", "not allowed any more") else "-"
    security_logger.info(
        "Topic refused: what=%s why=%s topic=%.100r user=%.100r", event, known, topic, user_key(socket.sign_in.user_pk)
    )

"""The Python examples of docs/channel-layer.md about sending and receiving, on a real broker."""

from __future__ import annotations

import ast
import asyncio
import inspect
from typing import TYPE_CHECKING, Any

import channels.layers
import pytest

from catmaid_notify.layers import RabbitmqChannelLayer
from tests.docs import examples, pages
from tests.support.drivers import until

if TYPE_CHECKING:
    from tests.support.rabbitmq import Vhost

pytestmark = [pytest.mark.real]
PAGE = "channel-layer.md"


def example(heading: str, namespace: dict[str, Any]) -> Any:
    """Run the example under a heading; return a coroutine if it contains ``await``."""
    [block] = examples.PYTHON_BLOCK.finditer(pages.section(PAGE, heading))
    code = compile(block[1], PAGE, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    return eval(code, namespace)


async def test_examples__send_and_receive(vhost: Vhost, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = RabbitmqChannelLayer(host=vhost.url)
    monkeypatch.setattr(channels.layers, "get_channel_layer", lambda: layer)
    shown: list[str] = []
    receiving = example("## Receiving as it comes", {"layer": layer, "print": shown.append})
    try:
        assert inspect.iscoroutine(receiving)
        await receiving
        await asyncio.to_thread(example, "## Sending from anywhere", {})
        await until(lambda: shown == ["people.changed"] * 2)
    finally:
        await layer.close()

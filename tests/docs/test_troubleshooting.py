"""docs/troubleshooting.md has the symptoms that people come with, and names only what there is."""

from __future__ import annotations

import re

import pytest

from catmaid_notify.conf import PREFIX, Conf
from catmaid_notify.protocol import Close
from tests.docs import pages
from tests.docs.test_checks import in_code

PAGE = "troubleshooting.md"


@pytest.mark.parametrize(
    "symptom",
    [
        "104: Connection reset by peer",
        "400",
        "403",
        "404",
        "500",
        "502",
        "Sockets close every 60 seconds",
        "Messages arrive, but only once a minute",
        "Socket operation on non-socket",
        "Apps aren't loaded yet",
        "unknown command 'BZPOPMIN'",
    ],
)
def test_symptoms__are_there(symptom):
    assert len(pages.section(PAGE, f"### {symptom}").split()) > 5


@pytest.mark.parametrize("name", pages.NAMES)
def test_names__are_there(name):
    text = pages.page(name)
    assert {f"`{one}`" for one in re.findall(r"catmaid_notify\.([EW]\d{3})", text)} <= in_code()
    settings = set(re.findall(rf"{PREFIX}([A-Z_]+)", text))
    assert settings <= set(vars(Conf))


def test_close_codes__are_ours():
    assert {int(code) for code in re.findall(r"^### (4\d{3})$", pages.page(PAGE), re.MULTILINE)} <= set(Close)

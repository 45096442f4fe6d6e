"""docs/commands.md has every command, and its options."""

from __future__ import annotations

import re

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import DjangoHelpFormatter

from catmaid_notify.doctor.address import Address
from catmaid_notify.doctor.context import Visit
from catmaid_notify.doctor.plan import steps
from tests.docs import pages

PAGE = "commands.md"
OURS = sorted(name for name, app in get_commands().items() if app == "catmaid_notify")
TABLED = [name for name in OURS if name != "notify_config"]
"""Commands whose options are listed; that one has an option for each word of its files, and says so itself."""


def options(name: str) -> set[str]:
    parser = load_command_class("catmaid_notify", name).create_parser("manage.py", name)
    own = [action for action in parser._actions if not set(action.option_strings) & DjangoHelpFormatter.show_last]
    return {option for action in own for option in action.option_strings if option not in ("-h", "--help")}


def test_commands__a_heading_each():
    assert sorted(re.findall(r"^## (\w+)$", pages.page(PAGE), re.MULTILINE)) == OURS


def listed(name: str) -> set[str]:
    return {word.strip("`") for row in pages.rows(pages.section(PAGE, f"## {name}")) for word in row[0].split(", ")}


@pytest.mark.parametrize("name", TABLED)
def test_commands__options_are_listed(name):
    assert {word for word in listed(name) if word.startswith("-")} == options(name)


def test_check__steps_are_listed(settings):
    config = {"host": "amqps://localhost/"}
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "catmaid_notify.layers.RabbitmqChannelLayer", "CONFIG": config}}
    taken = {step.name for step in steps(Visit(address=Address.parsed("https://www.example.org/")))}
    assert {word for word in listed("notify_check") if not word.startswith("-")} == taken


@pytest.mark.parametrize("name", OURS)
def test_commands__examples_can_be_parsed(name):
    import shlex

    parser = load_command_class("catmaid_notify", name).create_parser("manage.py", name)
    for line in re.findall(rf"^\$ python manage\.py {name}(.*)$", pages.page(PAGE), re.MULTILINE):
        parser.parse_args(shlex.split(line))

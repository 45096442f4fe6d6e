"""What is shipped: the wheel, the settings example, the requirements, and what no file of the project may hold."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from catmaid_notify.conf import Conf
from tests.support.process import PYTHON, ROOT, environment

PACKAGE = ROOT / "catmaid_notify"
EXAMPLE = ROOT / "settings_example.py"
FLOORS = {
    "autobahn": "26.10.0",
    "celery": "5.2.1",
    "channels": "3.0.5",
    "daphne": "4.2.1",
    "django": "5.2.13",
    "msgpack": "1.2.2",
    "twisted": "24.3.0",
}
"""The newest release of each package that is known to be vulnerable, or too old."""


def run(*command: str | Path, **variables: str) -> str:
    """Run a command in the project's root, and return what it prints; fails if it does."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env={**environment(), **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def committed() -> list[Path]:
    """Return the files that git has, or would take, without those that are on their way out."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


def requirements(lines: list[str]) -> dict[str, Requirement]:
    found = [Requirement(line) for line in lines]
    return {requirement.name.lower(): requirement for requirement in found}


def extras() -> dict[str, dict[str, Requirement]]:
    """Return what pyproject.toml asks for, by extra; "" is what it always asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {"": project["dependencies"], **project["optional-dependencies"]}
    return {name: requirements(lines) for name, lines in named.items()}


def classic() -> dict[str, Requirement]:
    lines = (ROOT / "requirements-async.txt").read_text().splitlines()
    return requirements([line.partition("#")[0] for line in lines if line and not line.startswith("#")])


# -- The wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    run(PYTHON, "-m", "hatchling", "build", "-t", "wheel", "-d", folder)
    (built,) = folder.glob("*.whl")
    return built


def test_wheel__holds_the_whole_package_and_nothing_else(wheel):
    there = {path.relative_to(ROOT).as_posix() for path in committed() if path.is_relative_to(PACKAGE)}
    with zipfile.ZipFile(wheel) as archive:
        shipped = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert shipped == there
    for needed in [
        "py.typed",
        "migrations/0001_initial.py",
        "static/catmaid_notify/auto.js",
        "static/catmaid_notify/catmaid_notify.css",
        "templates/catmaid_notify/client.html",
        "templatetags/catmaid_notify.py",
    ]:
        assert f"catmaid_notify/{needed}" in shipped


def test_wheel__knows_its_licence_and_version(wheel):
    from catmaid_notify import __version__

    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = archive.read(name).decode()
    assert f"\nVersion: {__version__}\n" in metadata
    assert "\nLicense-Expression: MIT\n" in metadata


def test_wheel__works_where_it_is_installed(wheel, tmp_path):
    """Without the project's folder: the site finds templates, static files and migrations in the installed copy."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = """
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.staticfiles", "catmaid_notify",
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    STATIC_URL="static/",
)
django.setup()
from django.contrib.staticfiles.finders import find
from django.core.management import call_command
from django.template.loader import get_template
call_command("migrate", verbosity=0)
for path in (find("catmaid_notify/auto.js"), get_template("catmaid_notify/client.html").origin.name):
    assert str(path).startswith(sys.argv[1]), path
"""
    code = f"import sys; sys.path = [sys.argv[1], *(p for p in sys.path if p not in ('', {str(ROOT)!r}))]{code}"
    run(PYTHON, "-P", "-c", code, tmp_path)


@pytest.mark.parametrize("module", ["catmaid_notify", "catmaid_notify.conf", "catmaid_notify.exceptions"])
def test_import__needs_no_settings(module):
    run(PYTHON, "-c", f"import {module}")


def test_import__needs_no_extra():
    """A site without RabbitMQ, Daphne and Celery has an inbox that polls."""
    code = """
import sys
for name in ("aio_pika", "aiormq", "billiard", "celery", "daphne", "kombu", "pamqp", "twisted"):
    sys.modules[name] = None
import django
django.setup()
import catmaid_notify.admin, catmaid_notify.api, catmaid_notify.realtime.consumers, catmaid_notify.urls
import catmaid_notify.routing
"""
    run(PYTHON, "-W", "error", "-c", code, DJANGO_SETTINGS_MODULE="tests.settings")


# -- The settings example


def load_example(monkeypatch, **variables: str):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    spec = importlib.util.spec_from_file_location("settings_example_again", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_example__is_a_site_of_its_own():
    """Django starts with it as it stands, and the layer that it names is ours."""
    code = """
import django
django.setup()
from channels.layers import channel_layers
from catmaid_notify.layers import RabbitmqChannelLayer
assert isinstance(channel_layers["default"], RabbitmqChannelLayer)
"""
    run(PYTHON, "-c", code, DJANGO_SETTINGS_MODULE="settings_example", DJANGO_SECRET_KEY="x")


def test_example__takes_the_broker_from_the_environment(monkeypatch):
    given = {"AMQP_URL": "amqp://broker:5672/asgi", "AMQP_USERNAME": "site", "AMQP_PASSWORD": "secret"}
    example = load_example(monkeypatch, **given)
    layer = example.CHANNEL_LAYERS["default"]["CONFIG"]
    assert layer == {"host": "amqp://broker:5672/asgi", "username": "site", "password": "secret"}
    celery = (example.CELERY_BROKER_URL, example.CELERY_BROKER_USER, example.CELERY_BROKER_PASSWORD)
    assert celery == ("amqp://broker:5672/asgi", "site", "secret")


def test_example__speaks_json_only(monkeypatch):
    example = load_example(monkeypatch)
    assert example.CELERY_ACCEPT_CONTENT == ["json"]
    assert example.CELERY_TASK_SERIALIZER == example.CELERY_RESULT_SERIALIZER == "json"


def test_example__daphne_serves_development_only(monkeypatch):
    assert load_example(monkeypatch, DJANGO_DEBUG="1").INSTALLED_APPS[0] == "daphne"
    assert "daphne" not in load_example(monkeypatch, DJANGO_DEBUG="").INSTALLED_APPS


def test_example__alternatives_are_valid_code():
    """Each commented layer, uncommented, is a CHANNEL_LAYERS of its own."""
    (setting,) = re.findall(r"^CHANNEL_LAYERS.*?^}$", EXAMPLE.read_text(), re.DOTALL | re.MULTILINE)
    uncommented = "\n".join(re.findall(r"^    # ?(.*)$", setting, re.MULTILINE))
    entries = re.findall(r'^"default": ({.*}|{\n(?: .*\n)*}),$', uncommented, re.MULTILINE)
    values = [eval(entry, {"os": os, "AMQP_URL": "amqp://"}) for entry in entries]
    assert [value["BACKEND"] for value in values] == [
        "channels_rabbitmq.core.RabbitmqChannelLayer",
        "channels_redis.core.RedisChannelLayer",
        "channels.layers.InMemoryChannelLayer",
    ]


def test_example__holds_every_setting_with_its_default():
    given = dict(re.findall(r"^# CATMAID_NOTIFY_(\w+) = (.+)$", EXAMPLE.read_text(), re.MULTILINE))
    declared = {name: getattr(Conf, name) for name in vars(Conf) if name.isupper()}
    assert list(given) == list(declared)
    for name, text in given.items():
        assert eval(text, {"__builtins__": {}}) == declared[name], name


def test_example__says_what_each_setting_does():
    run(PYTHON, "scripts/conf_block.py", "--check")


# -- Requirements


def test_requirements__bounds_and_a_reason_a_line():
    for line in (ROOT / "requirements-async.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            assert re.fullmatch(r"[a-z-]+>=[0-9.]+(,<[0-9]+)? +# .{20,}", line), line


@pytest.mark.parametrize(("name", "too_old"), FLOORS.items())
def test_requirements__nothing_vulnerable(name, too_old):
    given = [group[name] for group in [classic(), *extras().values()] if name in group]
    assert given, f"{name} is required nowhere"
    for requirement in given:
        assert not requirement.specifier.contains(too_old), requirement


def test_requirements__both_files_agree():
    ours = {name: requirement for group in extras().values() for name, requirement in group.items()}
    for name, requirement in classic().items():
        if name in ours and name != "aio-pika":
            assert str(requirement.specifier) == str(ours[name].specifier), name


def test_requirements__aio_pika_10_for_new_sites():
    assert extras()["rabbitmq"].keys() == {"aio-pika"}
    recommended = extras()["rabbitmq"]["aio-pika"].specifier
    assert recommended.contains("10.2.1")
    assert not recommended.contains("9.6.2")
    assert classic()["aio-pika"].specifier.contains("9.6.2")


# -- One command


def test_venv__says_what_is_missing(tmp_path):
    python = tmp_path / "python3"
    for script, words in [
        ("exit 1", "is too old"),
        ("[[ $2 != *ensurepip* ]] && { [[ $2 != *print* ]] || echo python3.11-venv; }", "apt install python3.11-venv"),
    ]:
        python.write_text(f"#!/usr/bin/env bash\n{script}\n")
        python.chmod(0o755)
        done = subprocess.run(
            ["scripts/venv.sh", tmp_path / "venv", python], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert words in done.stderr
        assert not (tmp_path / "venv").exists()


def test_makefile__help_names_every_target():
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"^  make ([a-z-]+)", run("make", "--no-print-directory", "help"), re.MULTILINE))
    assert named == set(re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE))


def test_readme__names_what_there_is():
    text = (ROOT / "README.md").read_text()
    targets = set(re.findall(r"\bmake ([a-z-]+)", text))
    assert targets <= set(re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert "://" in link or (ROOT / link).exists(), link
    for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        ast.parse(code.partition("# the base template")[0])


# -- What no file may hold

FORBIDDEN = {
    "a path of somebody's machine": rb"(?<![\w.}-])/(?:work|root|tmp|home)/\w",
    "the address of a package registry": rb"(?:pypi|pythonhosted|npmjs|debian)\.org|/simple/",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_files__nothing_of_the_machine_they_were_made_on(what):
    pattern = re.compile(FORBIDDEN[what])
    found = [
        f"{path.relative_to(ROOT)}: {match[0].decode(errors='replace')}"
        for path in committed()
        if path != Path(__file__) and (match := pattern.search(path.read_bytes()))
    ]
    assert not found


def test_files__no_lock_file_tells_where_packages_came_from():
    for path in committed():
        if path.name == "package-lock.json":
            assert '"resolved"' not in json.dumps(json.loads(path.read_text()))


def test_files__scripts_can_be_run():
    for path in [ROOT / ".ci" / "run", *(ROOT / "scripts").glob("*.sh")]:
        assert os.access(path, os.X_OK), path
        assert path.read_text().startswith("#!/usr/bin/env bash\n"), path


def test_python__is_the_one_that_runs_this():
    """Processes of tests belong to the environment under test, whichever of the two it is."""
    assert Path(PYTHON) == Path(sys.executable)

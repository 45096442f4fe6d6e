"""docs/guide.md, followed to the letter by a new site: what it says to type is typed, and what it shows is seen."""

from __future__ import annotations

import configparser
import json
import re
import secrets
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.docs import pages
from tests.support import process, servers
from tests.support.environment import require
from tests.support.ports import free_port
from tests.support.process import PYTHON, Process
from tests.support.rabbitmq import HOST, PORT, rabbitmqctl
from tests.support.waiting import eventually

PAGE = "guide.md"
PASSWORD_FILE = "/etc/mysite/amqp-password"
SITE = """
ALLOWED_HOSTS = ["127.0.0.1"]
STATIC_ROOT = BASE_DIR / "static"
TEMPLATES[0]["DIRS"] = [BASE_DIR]
CATMAID_NOTIFY_PING_SECONDS = 3
"""
"""What the running WSGI site has, besides that of ``startproject``, before somebody follows the guide."""
URLS = """
from django.views.generic import TemplateView
urlpatterns += [path("", TemplateView.as_view(template_name="base.html"))]
"""


def blocks(heading: str, language: str) -> list[str]:
    """Return the code blocks of one step."""
    return re.findall(rf"^```{language}\n(.*?)^```$", pages.section(PAGE, heading), re.DOTALL | re.MULTILINE)


def typed(heading: str, prompt: str) -> list[str]:
    """Return the lines of a step that are typed at a prompt, ``$`` or ``#``."""
    lines = "\n".join(blocks(heading, "console")).splitlines()
    return [line.removeprefix(f"{prompt} ") for line in lines if line.startswith(f"{prompt} ")]


def steps_shown(heading: str) -> list[str]:
    """Return the names of the steps of notify_check that are shown there."""
    lines = "\n".join(blocks(heading, "text")).splitlines()
    return [line[9:27].strip() for line in lines]


class Newcomer:
    """Somebody with a fresh project, who follows the guide."""

    def __init__(self, folder: Path, name: str) -> None:
        """``name`` stands for the vhost and the user, which the guide calls asgi."""
        self.folder = folder
        self.name = name
        self.port = free_port()
        self.password = folder / "amqp-password"
        self.env = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "PYTHONPATH": str(folder)}
        self.run("-m", "django", "startproject", "mysite", folder, env={})
        self.append("settings.py", SITE)
        self.append("urls.py", URLS)

    def own(self, text: str) -> str:
        """Return a text of the guide with what is this machine's own."""
        text = text.replace(PASSWORD_FILE, str(self.password)).replace(
            "localhost:5672/asgi", f"{HOST}:{PORT}/{self.name}"
        )
        return text.replace("https://www.example.org", f"http://127.0.0.1:{self.port}").replace(
            '"asgi"', f'"{self.name}"'
        )

    def run(self, *command: str | Path, env: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            [PYTHON, *map(str, command)],
            cwd=self.folder,
            env={**process.environment(), **(self.env if env is None else env)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def type(self, line: str, *options: str) -> str:
        """Run a line that begins with ``python manage.py``; ``options`` are what differs on a machine of the tests."""
        line, _, output = self.own(line).partition(" > ")
        printed = self.run(*shlex.split(line.removeprefix("python ")), *options)
        if output:
            (self.folder / output).write_text(printed)
        return printed

    def append(self, file: str, text: str) -> None:
        path = self.folder / "mysite" / file
        path.write_text(path.read_text() + text)

    def write_files(self, heading: str) -> None:
        """Put the Python blocks of a step where their first lines say."""
        for block in blocks(heading, "python"):
            file = re.match(r"# mysite/(\w+\.py)", block)
            assert file, block
            if file[1] in ("settings.py", "urls.py"):
                self.append(file[1], self.own(block))
            else:
                (self.folder / "mysite" / file[1]).write_text(self.own(block))

    def start(self, name: str, *command: str | Path) -> Process:
        return Process(name, [PYTHON, "-m", *command], folder=self.folder, env=self.env)

    def get(self, address: str) -> Any:
        from urllib.request import urlopen

        with urlopen(address, timeout=20) as answer:
            return json.loads(answer.read())


@pytest.fixture
def newcomer(tmp_path):
    require("rabbitmq", "nginx")
    name = f"test_{secrets.token_hex(6)}"
    made = Newcomer(tmp_path, name)
    with process.all_stopped():
        yield made
    rabbitmqctl("delete_user", name)
    rabbitmqctl("delete_vhost", name)


def lines_seen(text: str) -> dict[str, str]:
    """Return what notify_check has printed, the level by step."""
    return {line[9:27].strip(): line[:8].strip() for line in text.splitlines()[:-1] if line[:8].strip()}


@pytest.mark.real
@pytest.mark.timeout(180)
def test_guide__followed_to_the_letter(newcomer):
    broker(newcomer)
    newcomer.write_files("## 3. Four files of the project")
    [template] = blocks("## 3. Four files of the project", "html")
    (newcomer.folder / "base.html").write_text(f"<!doctype html><title>page</title><body>{template}</body>")
    first_look(newcomer)
    asgi_server(newcomer)
    proxy(newcomer)
    everything(newcomer)
    celery(newcomer)


def broker(newcomer: Newcomer) -> None:
    newcomer.password.write_text(secrets.token_hex(24) + "\n")
    for line in typed("## 1. RabbitMQ", "#"):
        if not line.startswith("rabbitmqctl"):
            continue
        command, _, source = line.partition(" < ")
        words = [newcomer.name if word == "asgi" else word for word in shlex.split(command)]
        given = Path(newcomer.own(source)).read_text() if source else None
        done = subprocess.run(words, input=given, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
    [seen] = [line for line in blocks("## 1. RabbitMQ", "console")[1].splitlines() if line.startswith("asgi")]
    assert done.stdout.splitlines()[-1] == seen.replace("asgi", newcomer.name)


def first_look(newcomer: Newcomer) -> None:
    heading = "## 4. Tables, static files, and a first look"
    check, migrate, collect, notify_check = typed(heading, "$")
    assert newcomer.type(check).strip() in "\n".join(blocks(heading, "console"))
    newcomer.type(migrate)
    newcomer.type(collect)
    seen = lines_seen(newcomer.type(notify_check))
    shown = steps_shown(heading)
    assert list(seen)[: len(shown)] == shown
    assert {seen[step] for step in shown} <= {"ok", "warning"}, seen


def asgi_server(newcomer: Newcomer) -> None:
    heading = "## 5. The ASGI server"
    by_hand, curl, config = typed(heading, "$")
    port = free_port()
    daphne = newcomer.start("daphne by hand", *shlex.split(by_hand.replace("8001", str(port))))
    daphne.wait_for_port(port)
    answer = newcomer.get(curl.removeprefix("curl ").replace("8001", str(port)))
    assert answer == json.loads(
        next(line for line in blocks(heading, "console")[1].splitlines() if line.startswith("{"))
    )
    daphne.stop()
    newcomer.type(config, "--run", str(newcomer.folder))
    programs = configparser.RawConfigParser()
    programs.read(newcomer.folder / "mysite.conf")
    command = programs["program:mysite-asgi"]["command"]
    for number in range(int(programs["program:mysite-asgi"]["numprocs"])):
        words = shlex.split(command.replace("%(process_num)d", str(number)))
        assert words[0] == PYTHON
        newcomer.start(f"asgi-{number}", *words[2:])
        eventually((newcomer.folder / f"asgi-{number}.sock").exists)


def proxy(newcomer: Newcomer) -> None:
    heading = "## 6. nginx"
    upstream, channels, curl = typed(heading, "$")
    for line in (upstream, channels):
        newcomer.type(line, "--run", str(newcomer.folder))
    wsgi = free_port()
    options = ["--bind", f"127.0.0.1:{wsgi}", "--no-control-socket", "mysite.wsgi:application"]
    newcomer.start("gunicorn", "gunicorn", *options).wait_for_port(wsgi)
    server = f"""
        include {newcomer.folder}/upstream.conf;
        server {{
            listen {newcomer.port};
            location / {{ proxy_set_header Host $http_host; proxy_pass http://127.0.0.1:{wsgi}; }}
            location /static/ {{ alias {newcomer.folder}/static/; }}
            include {newcomer.folder}/channels.conf;
        }}"""
    servers.nginx(newcomer.folder, server, port=newcomer.port)
    assert newcomer.get(newcomer.own(curl.removeprefix("curl ")))["status"] == "ok"


def everything(newcomer: Newcomer) -> None:
    heading = "## 7. All of it"
    newcomer.run("manage.py", "shell", "-c", "User.objects.create_user('ann')")
    notify_check, send = typed(heading, "$")
    seen = lines_seen(newcomer.type(notify_check))
    assert set(steps_shown(heading)) <= seen.keys()
    assert {seen[step] for step in steps_shown(heading)} == {"ok"}, seen
    assert newcomer.type(send).startswith("Message ")


def celery(newcomer: Newcomer) -> None:
    heading = "## 8. Celery"
    newcomer.write_files(heading)
    by_hand, notify_check = typed(heading, "$")
    worker = newcomer.start("worker", *shlex.split(by_hand), "--concurrency", "1")
    worker.wait_for(r"celery@\S+ ready", timeout=40)
    printed = newcomer.type(notify_check)
    seen = lines_seen(printed)
    assert {seen[step] for step in steps_shown(heading)} == {"ok"}, printed
    assert newcomer.password.read_text().strip() not in printed


def test_guide__least_permissions_are_those_that_were_tried():
    from tests.real.test_notify_check_broker import LEAST

    [line] = typed("## Least permissions", "#")
    assert shlex.split(line)[-3:] == [LEAST["configure"], LEAST["write"], LEAST["read"]]


def test_guide__files_are_included():
    included = re.findall(r"^```\{literalinclude\} \.\./(\S+)", pages.page(PAGE), re.MULTILINE)
    assert {"supervisor/site.conf", "nginx/channels.conf", "nginx/limits.conf"} <= set(included)

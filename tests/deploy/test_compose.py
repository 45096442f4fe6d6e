"""compose.yaml: valid, its image can be built from what it copies, and its commands make a demo that works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from tests.deploy.kit import wait_until_served
from tests.support import postgresql
from tests.support.environment import require
from tests.support.process import PYTHON, ROOT

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]


def test_file__is_valid():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_file__names_only_what_there_is():
    for service in SERVICES.values():
        assert set(service.get("depends_on", ())) <= set(SERVICES)
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert (ROOT / source).is_file() if source.startswith("./") else source in COMPOSE["volumes"]
    assert all(str(port).startswith("127.0.0.1:") for one in SERVICES.values() for port in one.get("ports", ()))


def test_dockerfile__copies_what_the_package_is_built_from(tmp_path):
    """Only what .dockerignore lets through is there."""
    steps = re.findall(r"^COPY (.*) (\S+)$", (ROOT / "demo" / "Dockerfile").read_text(), re.MULTILINE)
    allowed = re.findall("^!(.*)", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    for sources, target in steps:
        for source in sources.split():
            assert source in allowed
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, tmp_path / target, ignore=shutil.ignore_patterns("var", "__pycache__"))
            else:
                shutil.copy(ROOT / source, tmp_path)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    done = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    imported = [sys.executable, "-c", "import demo.asgi, demo.wsgi, demo.celery"]
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "demo.settings", "DEMO_VAR": str(tmp_path / "var")}
    done = subprocess.run(imported, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.real
@pytest.mark.timeout(240)
def test_commands__make_a_demo_that_works(make_site):
    require("nginx")
    with make_site(project="demo") as site:
        folder = site.folder
        (folder / "run").mkdir()
        at = postgresql.django_settings(site.database)
        login = f"{at['USER']}:{at['PASSWORD']}@{quote(at['HOST'], safe='')}:{at['PORT']}"
        services = {
            "amqp://demo:demo@rabbitmq:5672/demo": site.vhost.url,
            "postgresql://demo:demo@postgresql:5432/demo": f"postgresql://{login}/{site.database}",
            "/var/lib/demo": str(folder),
        }
        values = {services[value] for value in SERVICES["asgi"]["environment"].values()}
        assert values == set(services.values())
        given = {name: services[value] for name, value in SERVICES["asgi"]["environment"].items()}
        site.env |= {**given, "DJANGO_SETTINGS_MODULE": "demo.settings", "GUNICORN_CMD_ARGS": "--no-control-socket"}

        def run(name: str):
            program, *arguments = SERVICES[name]["command"]
            assert program == "python"
            return site.start(name, PYTHON, *(part.replace("/run/demo", f"{folder}/run") for part in arguments))

        assert run("prepare").wait(timeout=120) == 0
        for name in ("asgi", "wsgi", "worker"):
            run(name)
        site.config("nginx")  # chooses a port for the site
        text = (ROOT / "demo" / "nginx.conf").read_text().replace("/run/demo", f"{folder}/run")
        text = text.replace("    listen [::]:80;\n", "").replace("listen 80;", f"listen 127.0.0.1:{site.port};")
        site.nginx(text)
        wait_until_served(site)
        assert "<form" in site.fetch("/login/").body.decode()
        assert site.fetch("/static/demo/main.js").status == 200
        ann = site.user("ann")
        with site.socket(ann) as socket:
            socket.wait_for("hello")
            (stack, *_) = site.run("from demo.crops.stacks import stacks\nresult = list(stacks())")
            region = {"stack": stack, "x": [0, 64], "y": [0, 64], "z": [0, 4], "zoom": 0}
            assert site.fetch("/crops/", ann, method="POST", data=region).status == 201
            message = socket.wait_for("new-message", timeout=60)["payload"]
            assert site.fetch(message["message"]["action"], ann).status == 200

"""``manage.py notify_config``: what it takes from the settings, what it prints; the repository shows the same."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
from dataclasses import fields, replace

import pytest
from django.core.management import CommandError, call_command

from catmaid_notify.deployment.detect import detected
from catmaid_notify.deployment.files import FILES, TEMPLATES, names, render
from catmaid_notify.deployment.site import InvalidValue, Site
from catmaid_notify.management.commands import notify_config
from tests.support.process import ROOT

ALL = [(kind, name) for kind, known in FILES.items() for name in known]
SITES = {
    "example": Site(),
    "tls": Site(certificate="/a.pem", certificate_key="/a.key"),
    "sub-directory": Site(prefix="/sub", static_url="/sub/static/"),
    "uwsgi": Site(wsgi_server="uwsgi"),
    "asgi only": Site(wsgi_server="none"),
    "no tasks": Site(celery=""),
    "tcp": Site(asgi_port=8001),
    "one": Site(asgi_processes=1),
    "balancer": Site(balancer="192.0.2.0/24"),
    "bare": Site(hosts=(), static_root=""),
    "several hosts": Site(hosts=("a.example.org", ".b.example.org")),
    "hypercorn": Site(asgi_server="hypercorn"),
    "uvicorn": Site(asgi_server="uvicorn"),
}


def printed(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    call_command("notify_config", *arguments)
    return capsys.readouterr().out


def test_repository__shows_what_the_command_prints():
    subprocess.run([sys.executable, ROOT / "scripts/config_files.py", "--check"], check=True, cwd=ROOT)


def test_templates__are_all_known():
    parts = {"nginx/forwarded.conf", "supervisor/program.conf", "systemd/service.conf"}
    there = {f"{path.parent.name}/{path.name}" for path in TEMPLATES.glob("*/*")}
    assert there - parts == {f"{kind}/{name}" for kind, name in ALL}


@pytest.mark.parametrize("site", SITES.values(), ids=SITES)
@pytest.mark.parametrize(("kind", "name"), ALL)
def test_render__fills_everything_in(kind, name, site):
    text = render(kind, name, site)
    assert not re.search(r"\{\{|\{%|None|\bFalse\b", text)
    assert "\n\n\n" not in text
    assert text.endswith("\n")
    if kind == "nginx":
        assert text.count("{") == text.count("}")


@pytest.mark.parametrize("site", SITES.values(), ids=SITES)
def test_supervisor__is_an_ini_file_whose_group_has_its_programs(site):
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"))  # strict: no option twice
    parser.read_string(render("supervisor", "site.conf", site))
    programs = [name.partition(":")[2] for name in parser.sections() if name.startswith("program:")]
    assert parser["group:mysite"]["programs"].split(",") == programs
    for program in programs:
        assert parser[f"program:{program}"]["stdout_logfile_maxbytes"] == "50MB"


def test_numbers__are_not_written_for_people(settings):
    settings.USE_THOUSAND_SEPARATOR = True
    settings.LANGUAGE_CODE = "de"
    assert "stopwaitsecs=3600\n" in render("supervisor", "site.conf", Site())
    assert "every 2.5 s" in render("nginx", "site.conf", Site(ping_seconds=2.5))


def test_read_timeout__is_above_the_ping_interval():
    for seconds in (0.1, 25, 30, 100):
        assert Site(ping_seconds=seconds).read_timeout >= 2 * seconds
    assert "proxy_read_timeout 300s;" in render("nginx", "channels.conf", Site(ping_seconds=100))


def test_daphne_deadlines__after_ours_and_before_the_proxy_gives_up():
    for seconds in (2, 25, 30, 100):
        site = Site(ping_seconds=seconds)
        _, interval, _, timeout, *_ = site.daphne_deadlines.split()
        assert seconds < int(interval) < site.read_timeout - 2  # it looks every two seconds
        assert int(timeout) >= 10
        assert site.daphne_deadlines in site.asgi_command("0")


@pytest.mark.parametrize(
    "value", ["/srv/my site", "/srv/x;", "/srv/x\n", "/srv/%h", "/srv/$x", '/srv/"x"', "/srv/{x}", "/srv/#x", "/srv/ü"]
)
@pytest.mark.parametrize("field", [field.name for field in fields(Site) if "str" in str(field.type)])
def test_site__refuses_what_would_need_quoting(field, value):
    with pytest.raises(InvalidValue, match=field):
        Site(**{field: (value,) if field == "hosts" else value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "My-Site"}, "a-z"),
        ({"name": ""}, "a-z"),
        ({"prefix": "sub"}, "begin with /"),
        ({"prefix": "/sub/"}, "not end"),
        ({"certificate": "/a.pem"}, "belong together"),
        ({"asgi_processes": 0}, "1 or more"),
    ],
)
def test_site__refuses_what_makes_no_sense(values, message):
    with pytest.raises(InvalidValue, match=message):
        Site(**values)


def test_detected__takes_the_settings(settings):
    settings.ALLOWED_HOSTS = ["localhost", "*", "lab.example.org", ".example.org"]
    settings.FORCE_SCRIPT_NAME = "/sub/"
    settings.STATIC_URL = "/sub/static/"
    settings.STATIC_ROOT = ROOT / "static"
    settings.CATMAID_NOTIFY_PING_SECONDS = 40
    site = Site(**detected())
    assert site.hosts == ("lab.example.org", ".example.org")
    assert (site.prefix, site.static_url, site.static_root) == ("/sub", "/sub/static/", f"{ROOT}/static")
    assert (site.asgi, site.wsgi) == ("tests.asgi:application", "tests.wsgi:application")
    assert (site.directory, site.python, site.settings) == (str(ROOT), sys.executable, "tests.settings")
    assert (site.name, site.run, site.celery, site.read_timeout) == ("tests", "/run/tests", "", 120)


def test_detected__knows_what_is_not_there(settings):
    settings.ALLOWED_HOSTS = ["*"]
    settings.STATIC_URL = "https://cdn.example.org/static/"
    settings.ASGI_APPLICATION = None
    settings.ROOT_URLCONF = "demo.urls"
    site = Site(**detected())
    assert (site.hosts, site.host, site.static_url) == ((), "localhost", "")
    assert (site.asgi, site.celery) == ("demo.asgi:application", "demo.celery")


def test_command__prints_one_file(capsys):
    text = printed("nginx", "--hosts=a.example.org,b.example.org", "--asgi-port=9001", capsys=capsys)
    assert "server_name a.example.org b.example.org;" in text
    assert "server 127.0.0.1:9002" in text
    assert text == render(
        "nginx",
        "site.conf",
        replace(Site(**detected()), hosts=("a.example.org", "b.example.org"), asgi_port=9001),
    )


def test_command__prints_several_files_with_their_names(capsys):
    text = printed("systemd", "--name=lab", "--celery=", capsys=capsys)
    assert re.findall("^# ---- (.*)", text, re.MULTILINE) == ["lab.target", "lab-asgi@.service", "lab-wsgi.service"]
    assert "RuntimeDirectory=lab" in text
    assert "unix:/run/lab/gunicorn.sock" in text
    assert "mysite" not in text


def test_command__lists_and_writes(capsys, tmp_path):
    assert printed("supervisor", "--list", capsys=capsys).split() == list(FILES["supervisor"])
    printed("systemd", f"--output={tmp_path}", "--celery=tests.celery_app", capsys=capsys)
    assert len(list(tmp_path.iterdir())) == 5
    with pytest.raises(CommandError, match=r"missing/site\.conf can't be written: No such file"):
        call_command("notify_config", "nginx", f"--output={tmp_path / 'missing'}")


def test_command__says_what_is_wrong():
    with pytest.raises(CommandError, match=r"no file 'nginx.conf' for nginx; there are: site.conf, upstream.conf"):
        call_command("notify_config", "nginx", "nginx.conf")
    with pytest.raises(CommandError, match="directory is '/srv/my site'"):
        call_command("notify_config", "nginx", directory="/srv/my site")
    with pytest.raises(CommandError, match="invalid choice: 'caddy'"):
        call_command("notify_config", "caddy")


def test_command__has_an_option_for_every_field():
    missing = {field.name for field in fields(Site)} - set(notify_config.HELP)
    assert missing == {"settings", "ping_seconds"}  # --settings is Django's own; the other is a setting


def test_names__without_parts_that_the_site_has_not():
    assert names("systemd", Site(celery="", wsgi_server="none")) == ["mysite.target", "mysite-asgi@.service"]
    assert len(names("systemd", Site())) == len(FILES["systemd"])
    assert names("nginx", Site()) == ["site.conf"]


def test_shell_script__is_executable_and_plain():
    script = ROOT / "supervisor" / "daphne.sh"
    assert script.stat().st_mode & 0o111
    subprocess.run(["sh", "-n", str(script)], check=True)

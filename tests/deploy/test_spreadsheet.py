"""nginx, gunicorn on one unix socket, Daphne on another: started by a shell script, with rotated logs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.deploy.kit import check_all
from tests.support.environment import require
from tests.support.waiting import eventually

pytestmark = pytest.mark.real


def test_site__daphne_from_a_script_under_supervisord(site):
    require("nginx")
    site.nginx(site.config("nginx"))
    secrets = site.folder / "site.env"
    secrets.write_text("FROM_FILE='a value with spaces'\n")
    script = site.folder / "daphne.sh"
    script.write_text(site.config("supervisor", "daphne.sh").replace("/etc/tests.env", str(secrets)))
    script.chmod(0o755)
    text = site.config("supervisor").replace("stdout_logfile_maxbytes=50MB", "stdout_logfile_maxbytes=5KB")
    (command,) = re.findall(r"^; +command=(.*)|^#     (command=.*)", script.read_text(), re.MULTILINE)
    text = re.sub("^command=.* daphne .*", "".join(command), text, flags=re.MULTILINE)
    supervisor = site.supervisor(text)
    check_all(site)
    (daphne,) = (program for program in supervisor.programs() if program["name"] == "tests-asgi-0")
    process = Path(f"/proc/{daphne['pid']}")
    assert "-m\0daphne\0" in (process / "cmdline").read_text(), "the script is gone, Daphne has taken its place"
    environ = (process / "environ").read_text().split("\0")
    assert {"FROM_FILE=a value with spaces", "LANG=C.UTF-8"} <= set(environ)

    older = site.folder / "logs" / "tests-asgi-0.log.1"

    def rotated():
        site.fetch("/channels/health/")
        return older.exists()

    eventually(rotated, timeout=30)

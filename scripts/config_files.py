"""Generator of nginx/, supervisor/, systemd/, apache/ and demo/nginx.conf by ``manage.py notify_config``.

Run it after a change of catmaid_notify/deployment. ``--check`` only reports whether the files are up to date.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from catmaid_notify.deployment.files import FILES, render
from catmaid_notify.deployment.site import Site

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = Site()
TLS = replace(
    EXAMPLE,
    certificate="/etc/letsencrypt/live/mysite.example.org/fullchain.pem",
    certificate_key="/etc/letsencrypt/live/mysite.example.org/privkey.pem",
)
VARIANTS = {
    "nginx/site-tls.conf": TLS,
    "nginx/site-uwsgi.conf": replace(EXAMPLE, wsgi_server="uwsgi"),
    "nginx/site-sub-directory.conf": replace(EXAMPLE, prefix="/sub", static_url="/sub/static/"),
    "nginx/site-asgi-only.conf": replace(EXAMPLE, wsgi_server="none"),
    "nginx/site-behind-balancer.conf": replace(EXAMPLE, balancer="192.0.2.10"),
    "supervisor/site-uwsgi.conf": replace(EXAMPLE, wsgi_server="uwsgi"),
    "apache/site-tls.conf": TLS,
}
"""Further variants of the example's files."""
DEMO = Site(name="demo", hosts=(), run="/run/demo", static_root="", asgi_processes=1)
"""The demo, as compose.yaml runs it."""


def files() -> dict[str, str]:
    """Return all texts, by their paths."""
    texts = {f"{kind}/{name}": render(kind, name, EXAMPLE) for kind, names in FILES.items() for name in names}
    for path, site in VARIANTS.items():
        texts[path] = render(path.partition("/")[0], "site.conf", site)
    texts["demo/nginx.conf"] = render("nginx", "site.conf", DEMO)
    return texts


def main() -> int:
    texts = files()
    old = {str(path.relative_to(ROOT)) for kind in FILES for path in (ROOT / kind).glob("*")}
    changed = [path for path, text in texts.items() if not (ROOT / path).is_file() or (ROOT / path).read_text() != text]
    gone = sorted(old - set(texts))
    if "--check" in sys.argv[1:]:
        if changed or gone:
            print(f"These files differ from catmaid_notify/deployment: {', '.join(changed + gone)}. Run make format.")
        return 1 if changed or gone else 0
    for path in gone:
        (ROOT / path).unlink()
    for path in changed:
        (ROOT / path).parent.mkdir(exist_ok=True)
        (ROOT / path).write_text(texts[path])
        (ROOT / path).chmod(0o755 if path.endswith(".sh") else 0o644)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

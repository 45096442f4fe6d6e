"""Answers that a page may keep as long as what they tell of is unchanged: ETag, and 304 to whoever knows it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils.cache import patch_cache_control, patch_vary_headers


def answer(request: HttpRequest, state: Any, build: Callable[[], HttpResponse]) -> HttpResponse:
    """Return 304 where the page has this state (anything that JSON can hold) already, else what ``build`` returns."""
    etag = _etag_of(state)
    return _for_this_user(HttpResponseNotModified() if _is_known(request, etag) else build(), etag)


def unchanged(request: HttpRequest, state: Any) -> HttpResponse | None:
    """Return 304 where the page has this state already, else ``None``."""
    etag = _etag_of(state)
    return _for_this_user(HttpResponseNotModified(), etag) if _is_known(request, etag) else None


def _etag_of(state: Any) -> str:
    return '"' + hashlib.sha256(json.dumps(state).encode()).hexdigest()[:32] + '"'


def _is_known(request: HttpRequest, etag: str) -> bool:
    # Proxies that compress make weak ones of them.
    return bool(request.META.get("HTTP_IF_NONE_MATCH", "").removeprefix("W/") == etag)


def _for_this_user(response: HttpResponse, etag: str) -> HttpResponse:
    response["ETag"] = etag
    patch_cache_control(response, private=True, no_cache=True)
    patch_vary_headers(response, ["Cookie"])
    return response

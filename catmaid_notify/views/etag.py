"""Conditional responses: an ETag per user and state, and 304 for a page that has the current state."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils.cache import patch_cache_control, patch_vary_headers

from catmaid_notify.protocol import user_key


def answer(request: HttpRequest, pk: Any, state: Any, build: Callable[[], HttpResponse]) -> HttpResponse:
    """Return 304 if the page has this user's current state, else the response of ``build``; both with ETag.

    Args:
        request: A request with or without ``If-None-Match``.
        pk: Primary key of the user.
        state: JSON-serialisable value that changes with the response.
        build: Builds the full response; called only if needed.
    """
    etag = _etag_of(pk, state)
    return _for_this_user(HttpResponseNotModified() if _named_by(request) == etag else build(), etag)


def unchanged(request: HttpRequest, pk: Any, state: Any) -> HttpResponse | None:
    """Return 304 if the page has this state, else ``None``."""
    etag = _etag_of(pk, state)
    return _for_this_user(HttpResponseNotModified(), etag) if _named_by(request) == etag else None


def said_user_pk(request: HttpRequest) -> Any:
    """Return the user's primary key in ``If-None-Match``, untrusted; ``None`` without an ETag of ours."""
    key, dot, _ = _named_by(request).strip('"').rpartition(".")
    try:
        return get_user_model()._meta.pk.to_python(unquote(key)) if dot else None
    except ValidationError:
        return None


def _etag_of(pk: Any, state: Any) -> str:
    key = user_key(pk)
    digest = hashlib.sha256(json.dumps([key, state]).encode()).hexdigest()[:32]
    return f'"{quote(key, safe="")}.{digest}"'


def _named_by(request: HttpRequest) -> str:
    # nginx and other proxies turn the ETags of responses that they compress into weak ones.
    return str(request.META.get("HTTP_IF_NONE_MATCH", "")).removeprefix("W/")


def _for_this_user(response: HttpResponse, etag: str) -> HttpResponse:
    response["ETag"] = etag
    patch_cache_control(response, private=True, no_cache=True)
    patch_vary_headers(response, ["Cookie"])
    return response

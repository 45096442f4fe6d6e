"""Pages of the sheet and the counter, and the data that they read and write. Only the push is not ordinary HTTP."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_http_methods

from catmaid_notify.api import publish
from demo.crops.views import signed_in
from demo.shared.columns import COLUMNS, ROWS, Invalid, cleaned
from demo.shared.models import Cell, Counter


@require_GET
@login_required
@ensure_csrf_cookie
def sheet(request: HttpRequest, name: str) -> HttpResponse:
    """Show the sheet. Its script fetches the cells."""
    page = {"topic": f"sheet:{name}", "cellsUrl": reverse("shared:cells", args=[name]), "loginUrl": reverse("login")}
    return render(request, "demo/sheet.html", {"page": page, "columns": COLUMNS, "rows": range(ROWS)})


@require_http_methods(["GET", "POST"])
@never_cache
@signed_in
def cells(request: HttpRequest, name: str) -> HttpResponse:
    """Return all cells, or save one if its value is valid and its version is the current one."""
    if request.method == "GET":
        found = Cell.objects.filter(sheet=name).select_related("by")
        return JsonResponse({"cells": [cell.as_dict() for cell in found]})
    typed = _typed(request)
    if typed is None:
        return JsonResponse({"error": "This is not a change of a cell."}, status=400)
    try:
        value = cleaned(typed["column"], typed["value"])
    except Invalid as error:
        return JsonResponse({"error": str(error)}, status=422)
    place = {"sheet": name, "row": typed["row"], "column": typed["column"]}
    with transaction.atomic():
        cell = Cell.write(place, value, version=typed["version"], by=request.user)
        if cell is not None:
            publish(f"sheet:{name}", "cell", cell.as_dict(), sender=request.headers.get("X-Sender", "")[:100])
            return JsonResponse({"cell": cell.as_dict()})
    theirs = Cell.objects.filter(**place).select_related("by").first()
    return JsonResponse({"cell": theirs.as_dict() if theirs else {**place, "value": "", "version": 0}}, status=409)


def _typed(request: HttpRequest) -> dict[str, Any] | None:
    """Return the change in the body of a request; ``None`` if it is not one."""
    try:
        typed = json.loads(request.body)
        numbers = [typed["row"], typed["column"], typed["version"]]
        limits = (ROWS, len(COLUMNS), 2**31)
        fits = all(type(number) is int and 0 <= number < limit for number, limit in zip(numbers, limits, strict=True))
        return typed if fits and isinstance(typed["value"], str) else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


@require_GET
@login_required
@never_cache
def counter(request: HttpRequest, name: str) -> HttpResponse:
    """Show a counter."""
    return render(request, "demo/counter.html", _counter(name))


@require_http_methods(["GET", "POST"])
@login_required
@never_cache
def raise_counter(request: HttpRequest, name: str) -> HttpResponse:
    """Show a button that raises the counter, and raise it on POST."""
    if request.method == "GET":
        return render(request, "demo/raise.html", _counter(name))
    with transaction.atomic():
        publish(f"counter:{name}", "value", Counter.raised(name))
    return redirect("shared:raise", name)


def _counter(name: str) -> dict[str, Any]:
    found = Counter.objects.filter(name=name).first()
    return {"name": name, "topic": f"counter:{name}", "value": found.value if found else 0}

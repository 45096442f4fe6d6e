"""Page with the stacks, their pictures, and the crops of the signed-in user."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import conditional_page, require_GET, require_http_methods

from demo.conf import conf
from demo.crops import pictures
from demo.crops.downloads import download as download_response
from demo.crops.models import Crop, State
from demo.crops.requests import Refused, region_of, start_crop
from demo.crops.stacks import stacks
from demo.volumes import Stack, VolumeError

View = Callable[..., HttpResponseBase]

CROPS_SHOWN = 20


def signed_in(view: View) -> View:
    """Return a view that answers 401 as JSON to others: scripts and pictures can't use a redirect to the login page."""

    @functools.wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return JsonResponse({"error": "You are not signed in."}, status=401)
        return view(request, *args, **kwargs)

    return checked


@require_GET
@login_required
@ensure_csrf_cookie
def index(request: HttpRequest) -> HttpResponse:
    """Show the page."""
    page = {
        "stacks": [_stack(stack) for stack in stacks().values()],
        "pictureSize": pictures.SIZE,
        "bytesMax": conf.CROP_BYTES_MAX,
        "pictureUrl": reverse("crops:tile", args=["STACK", 0, 0, 0, 0]).replace("STACK/0/0/0/0", "{stack}/{place}"),
        "cropsUrl": reverse("crops:crops"),
        "loginUrl": reverse("login"),
    }
    return render(request, "demo/index.html", {"page": page})


@require_GET
@signed_in
@cache_control(private=True, max_age=3600)
@conditional_page
def tile(request: HttpRequest, name: str, zoom: int, z: int, row: int, col: int) -> HttpResponse:
    """Return a piece of a slice as a picture."""
    stack = stacks().get(name)
    if stack is None:
        return HttpResponse("There is no such image stack.", status=404, content_type="text/plain")
    try:
        picture = pictures.picture(stack, zoom=zoom, z=z, row=row, col=col)
    except VolumeError as error:
        return HttpResponse(str(error), status=404, content_type="text/plain")
    if picture is None:
        return HttpResponse("The stack has nothing there.", status=404, content_type="text/plain")
    return HttpResponse(picture, content_type="image/jpeg")


@require_http_methods(["GET", "POST"])
@signed_in
@cache_control(private=True, no_store=True)
def crops(request: HttpRequest) -> HttpResponse:
    """List the latest crops of the user, or start one."""
    if request.method == "GET":
        rows = Crop.objects.of(request.user)[:CROPS_SHOWN]
        return JsonResponse({"crops": [_crop(row) for row in rows]})
    try:
        row = start_crop(region_of(request), request.user)
    except Refused as refused:
        return JsonResponse({"error": str(refused), "field": refused.field}, status=refused.status)
    return JsonResponse(_crop(row), status=201)


@require_GET
@login_required
def download(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Return the file of a crop to its owner; for others it does not exist."""
    row = get_object_or_404(Crop.objects.of(request.user), pk=pk)
    if row.state == State.DONE:
        try:
            return download_response(row.path, name=row.download_name, content_type="image/tiff")
        except FileNotFoundError:
            row.expire()
    return render(request, "demo/no_file.html", {"crop": row}, status=409 if row.state in _NOT_YET else 410)


_NOT_YET = (State.QUEUED, State.RUNNING)


def _stack(stack: Stack) -> dict[str, Any]:
    return {
        "name": stack.name,
        "title": stack.title,
        "shape": stack.shape,
        "resolutionNm": stack.resolution_nm,
        "bytesPerPixel": stack.dtype.itemsize,
        "zoomLevels": stack.zoom_levels,
    }


def _crop(row: Crop) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "title": row.title,
        "dimensions": row.dimensions,
        "state": row.state,
        "error": row.error,
        "bytes": row.file_bytes,
        "created": row.created.isoformat(),
        "url": reverse("crops:download", args=[row.pk]) if row.state == State.DONE else "",
    }

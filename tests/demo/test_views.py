"""The page, its pictures, and who gets what of the crops."""

from __future__ import annotations

import io
import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from demo.volumes import Stack, TileError
from tests.demo import kit

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client

REGION = {"stack": "tissue", "x": [3, 20], "y": [0, 23], "z": [1, 5], "zoom": 0}


def post(client: Client, body: Any) -> Any:
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    return client.post("/crops/", text, content_type="application/json")


def make(owner: User, **values: Any) -> Any:
    """Store a crop."""
    from demo.crops.models import Crop

    fields = {"stack": "tissue", "title": "Crop of Some tissue", "dimensions": "17 × 23 × 4", "zoom": 0}
    places = {"x0": 3, "x1": 20, "y0": 0, "y1": 23, "z0": 1, "z1": 5}
    return Crop.objects.create(owner=owner, **{**fields, **places, **values})


def finished(owner: User, content: bytes = b"II*\0 pixels") -> Any:
    """Store a crop with its file."""
    row = make(owner, state="done", file_bytes=len(content))
    row.path.parent.mkdir(exist_ok=True)
    row.path.write_bytes(content)
    return row


# The page


def test_index__needs_a_user(client: Client, crops_app: Path) -> None:
    response = client.get("/")
    assert (response.status_code, response["Location"]) == (302, "/login/?next=/")


def test_index__shows_the_stacks(signed_in: Client, stacks: dict[str, Stack]) -> None:
    response = signed_in.get("/")
    assert response.status_code == 200
    assert "Some tissue" in response.content.decode()
    page = response.context["page"]
    assert page["stacks"][0]["shape"] == kit.SHAPE
    assert page["pictureUrl"] == "/stacks/{stack}/{place}.jpg"
    assert "demo_csrftoken" in response.cookies or "csrftoken" in response.cookies


def test_index__no_inline_script_or_style(signed_in: Client, stacks: dict[str, Stack]) -> None:
    text = signed_in.get("/").content.decode()
    assert "style=" not in text
    assert "<style" not in text
    assert " onclick" not in text
    for tag in text.split("<script")[1:]:
        attributes = tag.partition(">")[0]
        assert "src=" in attributes or 'type="application/json"' in attributes


def test_login__wrong_password(client: Client, ann: User) -> None:
    response = client.post("/login/", {"username": "ann", "password": "no"})
    assert response.status_code == 200
    assert "The name or the password is wrong." in response.content.decode()


def test_login__signs_in(client: Client, ann: User) -> None:
    response = client.post("/login/", {"username": "ann", "password": "ann", "next": "/"})
    assert (response.status_code, response["Location"]) == (302, "/")


# Pictures


def test_tile__pixels_of_the_slice(signed_in: Client, stacks: dict[str, Stack]) -> None:
    response = signed_in.get("/stacks/tissue/1/3/0/0.jpg")
    assert (response.status_code, response["Content-Type"]) == (200, "image/jpeg")
    picture = np.asarray(Image.open(io.BytesIO(response.content)))
    assert picture.shape == (11, 18)
    expected = kit.levels(kit.volume())[1][3]
    # Noise is the worst case of JPEG; another slice is about 85 grey values away.
    assert np.abs(picture.astype(int) - expected).mean() < 15


def test_tile__may_be_kept_by_this_browser_only(signed_in: Client, stacks: dict[str, Stack]) -> None:
    response = signed_in.get("/stacks/tissue/0/3/0/0.jpg")
    assert "private" in response["Cache-Control"]
    assert "max-age=3600" in response["Cache-Control"]
    assert "Cookie" in response["Vary"]
    again = signed_in.get("/stacks/tissue/0/3/0/0.jpg", headers={"If-None-Match": response["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = signed_in.get("/stacks/tissue/0/4/0/0.jpg", headers={"If-None-Match": response["ETag"]})
    assert other.status_code == 200


@pytest.mark.parametrize(
    "place",
    [
        "tissue/3/0/0/0",
        "tissue/0/5/0/0",
        "tissue/0/0/1/0",
        "tissue/0/0/0/1",
        "tissue/0/-1/0/0",
        "tissue/0/x/0/0",
        f"tissue/0/{'9' * 5000}/0/0",
        f"tissue/0/0/{'9' * 4000}/0",
        "other/0/0/0/0",
        "..%2Ftissue/0/0/0/0",
    ],
)
def test_tile__nothing_there(signed_in: Client, stacks: dict[str, Stack], place: str) -> None:
    assert signed_in.get(f"/stacks/{place}.jpg").status_code == 404


def test_tile__missing_in_the_stack(signed_in: Client, stacks: dict[str, Stack]) -> None:
    error = TileError("is missing", z=2, row=0, col=1, zoom=0)
    stacks["tissue"] = kit.stack(kit.ArraySource(kit.volume(), fails_at=2, error=error))
    response = signed_in.get("/stacks/tissue/0/2/0/0.jpg")
    assert response.status_code == 404
    assert response.content.decode() == "The image tile at z=2, row=0, column=1, zoom level 0 is missing."


def test_tile__needs_a_user(client: Client, stacks: dict[str, Stack]) -> None:
    response = client.get("/stacks/tissue/0/0/0/0.jpg")
    assert (response.status_code, response.json()) == (401, {"error": "You are not signed in."})


# Asking for a crop


def test_crops__begins_one(
    signed_in: Client, ann: User, stacks: dict[str, Stack], queued: list[dict[str, Any]]
) -> None:
    from demo.crops.models import Crop

    response = post(signed_in, REGION)
    assert response.status_code == 201
    row = Crop.objects.get()
    assert response.json()["id"] == str(row.pk)
    assert response.json()["dimensions"] == "17 × 23 × 4"
    assert (row.owner, row.state) == (ann, "queued")
    assert row.request == REGION
    assert [(sent["args"], sent["task_id"]) for sent in queued] == [([str(row.pk)], str(row.pk))]
    assert queued[0]["headers"] == {"catmaid_notify_user": ann.pk}


BAD = [
    ({**REGION, "stack": "other"}, "stack", "There is no such image stack."),
    ({**REGION, "x": [-3, 20]}, "x", "x begins outside of the stack, below 0."),
    ({**REGION, "y": [5, 5]}, "y", "The region has no extent along y."),
    ({**REGION, "z": [3, 1]}, "z", "z ends before it begins."),
    ({**REGION, "z": [0, 6]}, "z", "z ends outside of the stack, which has 5 pixels along z."),
    ({**REGION, "zoom": 9}, "zoom", "The zoom level must be a whole number from 0 to 2."),
    (
        '{"stack": "tissue", "x": [0, NaN]}',
        "x",
        "x must be two whole numbers: where the region begins and where it ends.",
    ),
    ([], "stack", "The request must be a JSON object."),
    ("", "", "The request is not JSON."),
    ("{", "", "The request is not JSON."),
    (b"\xff\xfe", "", "The request is not JSON."),
    ("[" * 9000, "", "The request is not JSON."),
    ('{"x": [0, ' + "9" * 5000 + "]}", "", "The request is not JSON."),
]


@pytest.mark.parametrize(("body", "field", "words"), BAD)
def test_crops__bad_request(
    signed_in: Client, stacks: dict[str, Stack], queued: list[dict[str, Any]], body: Any, field: str, words: str
) -> None:
    from demo.crops.models import Crop

    response = post(signed_in, body)
    assert (response.status_code, response.json()) == (400, {"error": words, "field": field})
    assert queued == []
    assert not Crop.objects.exists()


def test_crops__too_large_before_any_work(
    signed_in: Client, stacks: dict[str, Stack], queued: list[dict[str, Any]], settings: Any
) -> None:
    from demo.crops.models import Crop

    settings.DEMO_CROP_BYTES_MAX = 1000
    response = post(signed_in, REGION)
    assert response.status_code == 400
    assert response.json()["error"].startswith("The region is too large: 17 × 23 × 4 pixels")
    assert queued == []
    assert not Crop.objects.exists()


def test_crops__no_room_on_the_disk(
    signed_in: Client, stacks: dict[str, Stack], queued: list[dict[str, Any]], settings: Any
) -> None:
    settings.DEMO_DISK_RESERVE_BYTES = 10**18
    response = post(signed_in, REGION)
    assert response.status_code == 507
    assert "disk has no room" in response.json()["error"]
    assert queued == []


def test_crops__long_body(signed_in: Client, stacks: dict[str, Stack], queued: list[dict[str, Any]]) -> None:
    response = post(signed_in, json.dumps(REGION) + " " * 10_000)
    assert (response.status_code, response.json()["error"]) == (413, "The request is too long.")
    assert queued == []


def test_crops__not_too_many_at_once(
    signed_in: Client, ann: User, stacks: dict[str, Stack], queued: list[dict[str, Any]], django_user_model: type[User]
) -> None:
    other = django_user_model.objects.create_user("bob")
    make(ann, state="queued")
    make(ann, state="running")
    make(ann, state="failed")
    make(other, state="running")
    assert post(signed_in, REGION).status_code == 201
    response = post(signed_in, REGION)
    assert response.status_code == 429
    assert response.json()["error"] == "You have 3 crops under way. Please wait until one of them is done."
    assert len(queued) == 1


def test_crops__no_broker(
    signed_in: Client, stacks: dict[str, Stack], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from kombu.exceptions import OperationalError

    from demo.crops.models import Crop
    from demo.crops.tasks import crop

    def refuse(**_options: Any) -> None:
        raise OperationalError("[Errno 111] Connection refused")

    monkeypatch.setattr(crop, "apply_async", refuse)
    response = post(signed_in, REGION)
    assert response.status_code == 503
    assert response.json()["error"] == "The server's task queue can't be reached now. Please try again later."
    assert not Crop.objects.exists()
    assert "Connection refused" in caplog.text


@pytest.mark.parametrize("method", ["get", "post"])
def test_crops__needs_a_user(client: Client, stacks: dict[str, Stack], queued: list[Any], method: str) -> None:
    response = client.get("/crops/") if method == "get" else post(client, REGION)
    assert (response.status_code, response.json()) == (401, {"error": "You are not signed in."})
    assert queued == []


def test_crops__needs_the_csrf_token(ann: User, stacks: dict[str, Stack], queued: list[Any]) -> None:
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(ann)
    assert post(client, REGION).status_code == 403
    assert queued == []


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_crops__other_methods(signed_in: Client, stacks: dict[str, Stack], method: str) -> None:
    assert getattr(signed_in, method)("/crops/").status_code == 405


def test_crops__lists_ones_own(
    signed_in: Client, ann: User, stacks: dict[str, Stack], django_user_model: type[User]
) -> None:
    first, second = make(ann, state="failed", error="The disk is full."), finished(ann)
    make(django_user_model.objects.create_user("bob"))
    response = signed_in.get("/crops/")
    assert [crop["id"] for crop in response.json()["crops"]] == [str(second.pk), str(first.pk)]
    assert response.json()["crops"][0]["url"] == f"/crops/{second.pk}/download"
    assert response.json()["crops"][1] | {"url": "", "error": "The disk is full."} == response.json()["crops"][1]
    assert "no-store" in response["Cache-Control"]


# Downloads


def test_download__the_file(signed_in: Client, ann: User) -> None:
    row = finished(ann)
    response = signed_in.get(f"/crops/{row.pk}/download")
    assert response.status_code == 200
    assert response.getvalue() == b"II*\0 pixels"
    assert response["Content-Type"] == "image/tiff"
    assert response["Content-Length"] == "11"
    assert response["Content-Disposition"] == 'attachment; filename="tissue_x3-20_y0-23_z1-5_zoom0.tif"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "private" in response["Cache-Control"]


def test_download__of_somebody_else(signed_in: Client, django_user_model: type[User]) -> None:
    row = finished(django_user_model.objects.create_user("bob"))
    theirs = signed_in.get(f"/crops/{row.pk}/download")
    nobodys = signed_in.get(f"/crops/{uuid.uuid4()}/download")
    assert theirs.status_code == nobodys.status_code == 404
    assert theirs.content.partition(b"<main")[2] == nobodys.content.partition(b"<main")[2] != b""


def test_download__even_for_a_superuser(client: Client, ann: User, django_user_model: type[User]) -> None:
    client.force_login(django_user_model.objects.create_superuser("root"))
    assert client.get(f"/crops/{finished(ann).pk}/download").status_code == 404


def test_download__needs_a_user(client: Client, ann: User) -> None:
    row = finished(ann)
    response = client.get(f"/crops/{row.pk}/download")
    assert (response.status_code, response["Location"]) == (302, f"/login/?next=/crops/{row.pk}/download")


@pytest.mark.parametrize(
    ("state", "status", "words"),
    [
        ("queued", 409, "is still being made"),
        ("running", 409, "is still being made"),
        ("failed", 410, "The disk is full."),
        ("expired", 410, "The file has expired"),
    ],
)
def test_download__no_file(signed_in: Client, ann: User, state: str, status: int, words: str) -> None:
    row = make(ann, state=state, error="The disk is full." if state == "failed" else "")
    response = signed_in.get(f"/crops/{row.pk}/download")
    assert response.status_code == status
    assert words in response.content.decode()


def test_download__file_was_removed_by_hand(signed_in: Client, ann: User) -> None:
    row = finished(ann)
    row.path.unlink()
    assert signed_in.get(f"/crops/{row.pk}/download").status_code == 410
    row.refresh_from_db()
    assert row.state == "expired"


async def test_download__under_asgi_in_pieces(tmp_path: Path) -> None:
    from demo.crops.downloads import download

    content = bytes(range(256)) * 4096  # 1 MiB
    (tmp_path / "crop.tif").write_bytes(content)
    response = download(tmp_path / "crop.tif", name="crop.tif", content_type="image/tiff")
    pieces = [piece async for piece in response]
    response.close()
    assert b"".join(pieces) == content
    assert len(pieces) == 4


def test_pages__policy(signed_in: Client, stacks: dict[str, Stack], settings: Any) -> None:
    settings.MIDDLEWARE = ["demo.middleware.content_security_policy", *settings.MIDDLEWARE]
    policy = signed_in.get("/")["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "style-src 'self';" in policy
    assert "unsafe" not in policy

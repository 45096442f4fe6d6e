"""Messages to open pages: of one user, a group, one session, everyone; and a topic that keeps the last message."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_POST

from catmaid_notify.api import msg_everyone, msg_group, msg_session, msg_user, publish
from demo.crops.views import signed_in

TOPIC = "calls"
EVENT = "call"
AUDIENCES = {
    "everyone": "everyone who is signed in",
    "user": "one user",
    "group": "a group of users",
    "session": "this browser",
    "topic": "this page, and who opens it within an hour",
}


class CallForm(forms.Form):
    """Form with a text and its receivers."""

    text = forms.CharField(max_length=200)
    to = forms.ChoiceField(choices=list(AUDIENCES.items()))
    user = forms.ModelChoiceField(get_user_model()._default_manager.none(), required=False, to_field_name="username")
    group = forms.ModelChoiceField(Group.objects.none(), required=False, to_field_name="name")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["user"].queryset = get_user_model()._default_manager.filter(is_active=True).order_by("username")  # type: ignore[attr-defined]
        self.fields["group"].queryset = Group.objects.order_by("name")  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Require the user or the group if the call is for one."""
        cleaned = super().clean() or {}
        to = cleaned.get("to", "")
        if to in ("user", "group") and not cleaned.get(to):
            self.add_error(to, f"Choose a {to}.")
        return cleaned


@require_GET
@login_required
@ensure_csrf_cookie
def calls(request: HttpRequest) -> HttpResponse:
    """Show the calls that arrive while the page is open, and a form to make one."""
    return render(request, "demo/calls.html", {"form": CallForm(), "audiences": AUDIENCES, "topic": TOPIC})


@require_POST
@never_cache
@signed_in
def call(request: HttpRequest) -> HttpResponse:
    """Make a call."""
    form = CallForm(request.POST)
    if not form.is_valid():
        errors = [str(error) for found in form.errors.values() for error in found]
        return JsonResponse({"error": " ".join(errors)}, status=422)
    given = form.cleaned_data
    payload = {"text": given["text"], "by": request.user.get_username(), "to": AUDIENCES[given["to"]]}
    if given["to"] == "user":
        msg_user(given["user"], EVENT, payload)
    elif given["to"] == "group":
        msg_group(given["group"], EVENT, payload)
    elif given["to"] == "session":
        msg_session(request.session, EVENT, payload)
    elif given["to"] == "topic":
        publish(TOPIC, EVENT, payload)
    else:
        msg_everyone(EVENT, payload)
    return JsonResponse({"sent": True})

"""Inbox view in plain Django, to compare with the app's."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse

from catmaid_notify.models import Message


def listed(request: HttpRequest) -> JsonResponse:
    """List the unread messages of the signed-in user."""
    unread = Message.objects.filter(user=request.user.pk, read=False).order_by("-time")[:100]
    return JsonResponse({"messages": [{"id": one.pk, "title": one.title, "text": one.text} for one in unread]})

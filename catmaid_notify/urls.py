"""URL patterns of the inbox. Include them at the root of the site, where CATMAID's client expects them."""

from __future__ import annotations

from django.urls import path

from catmaid_notify.views import inbox, js_modules, topics

__all__ = ["app_name", "urlpatterns"]

app_name = "catmaid_notify"

urlpatterns = [
    path("messages/latestunreaddate", inbox.latest_unread_date, name="latest-unread-date"),
    path("messages/list", inbox.message_list, name="message-list"),
    path("messages/<int:message_id>/mark_read", inbox.mark_message_read, name="mark-message-read"),
    path("notify/unread", inbox.unread, name="unread"),
    path("notify/messages", inbox.messages, name="messages"),
    path("notify/read", inbox.mark_read, name="read"),
    path("notify/topics", topics.values, name="topics"),
    path("notify/client/<str:release>/<path:name>", js_modules.module, name="module"),
]

"""URLs of the inbox; include them where CATMAID's client looks for them, at the root of the site or of its prefix."""

from __future__ import annotations

from django.urls import path

from catmaid_notify import modules, topic_views, views

app_name = "catmaid_notify"

urlpatterns = [
    path("messages/latestunreaddate", views.latest_unread_date, name="latest-unread-date"),
    path("messages/list", views.message_list, name="message-list"),
    path("messages/<int:message_id>/mark_read", views.mark_message_read, name="mark-message-read"),
    path("notify/unread", views.unread, name="unread"),
    path("notify/messages", views.messages, name="messages"),
    path("notify/read", views.mark_read, name="read"),
    path("notify/topics", topic_views.values, name="topics"),
    path("notify/client/<str:release>/<path:name>", modules.module, name="module"),
]

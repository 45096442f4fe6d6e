"""A response with the content of a file, for WSGI and ASGI servers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from asgiref.sync import sync_to_async
from django.http import FileResponse


class DownloadResponse(FileResponse):
    """Django's own, which under ASGI would take the whole file into memory, with an asynchronous iterator beside it."""

    block_size = 256 * 1024

    def __init__(self, file: BinaryIO, *, filename: str, content_type: str) -> None:
        super().__init__(file, as_attachment=True, filename=filename, content_type=content_type)
        self.file = file

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = sync_to_async(self.file.read, thread_sensitive=False)
        while block := await read(self.block_size):
            yield block


def download(path: Path, *, name: str, content_type: str) -> DownloadResponse:
    """Return the file as one that the browser keeps under ``name``.

    Raises:
        FileNotFoundError: there is no such file.
    """
    response = DownloadResponse(path.open("rb"), filename=name, content_type=content_type)
    response.headers["Cache-Control"] = "private, no-cache"
    return response

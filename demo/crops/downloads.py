"""File downloads for WSGI and ASGI servers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from asgiref.sync import sync_to_async
from django.http import FileResponse


class DownloadResponse(FileResponse):
    """Django's FileResponse with an asynchronous iterator: without one, ASGI servers get the whole file from memory."""

    block_size = 256 * 1024

    def __init__(self, file: BinaryIO, *, filename: str, content_type: str) -> None:
        super().__init__(file, as_attachment=True, filename=filename, content_type=content_type)
        self.file = file

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = sync_to_async(self.file.read, thread_sensitive=False)
        while block := await read(self.block_size):
            yield block


def download(path: Path, *, name: str, content_type: str) -> DownloadResponse:
    """Return a response that the browser saves as a file called ``name``.

    Raises:
        FileNotFoundError: there is no such file.
    """
    response = DownloadResponse(path.open("rb"), filename=name, content_type=content_type)
    response.headers["Cache-Control"] = "private, no-cache"
    return response

"""``manage.py demo_stacks``: test of the stacks, before users see them."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from demo.crops.stacks import stacks
from demo.volumes import Stack, StackConfigError, VolumeError, Window


class Command(BaseCommand):
    """Command that lists the stacks, and reads the corners of each zoom level of the first and the last slice."""

    help = "Check the description of the stacks (DEMO_STACKS), and that their files are where it says."

    def handle(self, **options: Any) -> None:
        """List and test the stacks; see BaseCommand.handle()."""
        try:
            found = stacks()
        except StackConfigError as error:
            raise CommandError(str(error)) from error
        faults = 0
        for stack in found.values():
            depth, height, width = stack.shape
            self.stdout.write(
                f"{stack.name}: {stack.title}, {width} × {height} × {depth} pixels, {stack.dtype.name}, "
                f"{stack.zoom_levels} zoom levels"
            )
            for fault in sorted(_faults(stack)):
                faults += 1
                self.stdout.write(self.style.ERROR(f"  {fault}"))
        if faults:
            raise CommandError(f"{faults} faults were found.")


def _faults(stack: Stack) -> set[str]:
    found = set()
    for zoom in range(stack.zoom_levels):
        height, width = stack.level_shape(zoom)
        for z in (0, stack.shape[0] - 1):
            for y in (0, height - 1):
                for x in (0, width - 1):
                    try:
                        stack.source.read(z, Window(y0=y, y1=y + 1, x0=x, x1=x + 1), zoom)
                    except VolumeError as error:
                        found.add(str(error))
    return found

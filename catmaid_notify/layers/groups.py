"""Which channels are in which group, in little memory: most groups have one channel, that of the process's hub."""

from __future__ import annotations

from collections.abc import Collection


class Groups:
    """Names of groups and, for each, those of its channels."""

    def __init__(self) -> None:
        self._channels: dict[str, str | set[str]] = {}
        """A channel that is alone in its group stands for itself; a set of one takes 216 bytes."""

    def add(self, group: str, channel: str) -> None:
        """Add a channel to a group."""
        found = self._channels.setdefault(group, channel)
        if isinstance(found, set):
            found.add(channel)
        elif found != channel:
            self._channels[group] = {found, channel}

    def discard(self, group: str, channel: str) -> bool:
        """Remove a channel; return whether that has left the group empty."""
        found = self._channels.get(group)
        if isinstance(found, set):
            found.discard(channel)
            if found:
                return False
        elif found != channel:
            return False
        del self._channels[group]
        return True

    def members(self, group: str) -> Collection[str]:
        """Return the channels of a group, of which there may be none."""
        found = self._channels.get(group, ())
        return (found,) if isinstance(found, str) else found

    def clear(self) -> list[str]:
        """Forget all groups; return their names."""
        names = list(self._channels)
        self._channels.clear()
        return names

"""Which facts this Python process has published, and when they are forgotten."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from resumable_data.errors import ResumableDataError
from resumable_data.locks import ForkLock
from resumable_data.processes.carriers import Carrier

_CLOSINGS = 4


@dataclass(frozen=True)
class Own:
    """The facts of one group that this process has published.

    Attributes:
        carrier: Where they are.
        group: The group.
        keys: Their keys.
    """

    carrier: Carrier
    group: str
    keys: tuple[str, ...]


class Published:
    """Facts that are kept: those that exchanges hold, and those that the last few closed exchanges left.

    Another process may need what this one has published a little after this one has closed its exchange. A fact that
    two exchanges have published, as two iterators over the same data do, goes with the second.
    """

    def __init__(self) -> None:
        self._lock = ForkLock()  # The garbage collector may close an exchange anywhere, also in here.
        self._holders: Counter[tuple[Carrier, str, str]] = Counter()
        self._left: deque[Sequence[Own]] = deque()

    def hold(self, own: Own) -> None:
        """Keeps facts that are about to be published."""
        with self._lock:
            self._holders.update((own.carrier, own.group, key) for key in own.keys)

    def release(self, own: Own) -> None:
        """Forgets the facts that nobody else holds."""
        # Under the lock: who publishes one of them again holds it first, so it is never deleted afterwards.
        with self._lock:
            free: list[str] = []
            for key in own.keys:
                holder = (own.carrier, own.group, key)
                self._holders[holder] -= 1
                if not self._holders[holder]:
                    del self._holders[holder]
                    free.append(key)
            if free:
                own.carrier.forget(own.group, free)

    def leave(self, owns: Sequence[Own]) -> None:
        """Keeps what an exchange held that closes, until some more have closed."""
        with self._lock:
            self._left.append(owns)
            before = self._left.popleft() if len(self._left) > _CLOSINGS else ()
        # Whoever closes can do without a service that is gone.
        with suppress(ResumableDataError):
            for own in before:
                self.release(own)


PUBLISHED = Published()
"""What all exchanges of this Python process have published."""

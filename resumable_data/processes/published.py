"""The facts that this Python process has published, and when it forgets them."""

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
        keys: The keys of the facts.
    """

    carrier: Carrier
    group: str
    keys: tuple[str, ...]


class Published:
    """Published facts that are kept: those of open exchanges, and those of the last few closed exchanges.

    Another process may still need a fact after this process has closed its exchange. Two iterators over the same data
    publish the same facts. Such a fact is deleted when the second one releases it.
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
        """Deletes the facts that no other exchange holds."""
        # Under the lock: an exchange holds a fact before it publishes it again, so the new one is never deleted here.
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
        """Keeps the facts of a closed exchange until some more exchanges have closed."""
        with self._lock:
            self._left.append(owns)
            before = self._left.popleft() if len(self._left) > _CLOSINGS else ()
        # Closing must not fail if the service has ended.
        with suppress(ResumableDataError):
            for own in before:
                self.release(own)


PUBLISHED = Published()
"""The facts that all exchanges of this Python process have published."""

"""Facts in the memory of one test process. Its threads act as processes. It counts what is moved."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from threading import Condition, Event, RLock

_DEAF_SECONDS = 0.05


class Board:
    """The facts that all processes see.

    Args:
        lasting: Whether facts act as those of a directory, which has no groups.
    """

    def __init__(self, lasting: bool = False) -> None:
        self.lasting = lasting
        self.lock = RLock()
        self._groups: defaultdict[str, dict[str, bytes]] = defaultdict(dict)
        self._arrivals: dict[tuple[str, str], Condition] = {}

    def group(self, name: str) -> dict[str, bytes]:
        """Returns the facts of a group by key."""
        return self._groups["" if self.lasting else name]

    def arrival(self, group: str, key: str) -> Condition:
        """Returns the condition of a fact. Each fact has its own, or one fact would wake all that wait for any."""
        return self._arrivals.setdefault((group, key), Condition(self.lock))

    @property
    def keys(self) -> set[str]:
        """Returns the facts that are there."""
        return {key for facts in self._groups.values() for key in facts}


class MemoryCarrier:
    """The board as one process sees it.

    Args:
        board: The facts that all processes see.

    Attributes:
        calls: The number of calls of each method that went to the board.
        sent: Bytes of published facts.
        received: Bytes of read facts. A read of many facts gets the whole group.
    """

    def __init__(self, board: Board) -> None:
        self._board = board
        self.lasting = board.lasting
        self.calls: Counter[str] = Counter()
        self.sent = 0
        self.received = 0

    def publish(self, group: str, facts: Mapping[str, bytes]) -> None:
        self.calls["publish"] += len(facts)
        self.sent += sum(map(len, facts.values()))
        with self._board.lock:
            self._board.group(group).update(facts)
            for key in facts:
                self._board.arrival(group, key).notify_all()

    def find(self, group: str, keys: Sequence[str]) -> dict[str, bytes]:
        self.calls["find"] += 1
        with self._board.lock:
            there = dict(self._board.group(group))
        self.received += sum(map(len, there.values()))
        return {key: there[key] for key in keys if key in there}

    def wait(self, group: str, key: str, seconds: float, closing: Event) -> bytes | None:
        self.calls["wait"] += 1
        with self._board.lock:
            facts = self._board.group(group)
            arrival, deadline = self._board.arrival(group, key), time.monotonic() + seconds
            # Setting `closing` wakes no waiting thread, so it looks again and again.
            while key not in facts and not closing.is_set() and (left := deadline - time.monotonic()) > 0:
                arrival.wait(min(left, _DEAF_SECONDS))
            fact = facts.get(key)
        self.received += len(fact or b"")
        return fact

    def forget(self, group: str, keys: Sequence[str]) -> None:
        self.calls["forget"] += len(keys)
        with self._board.lock:
            for key in keys:
                self._board.group(group).pop(key, None)

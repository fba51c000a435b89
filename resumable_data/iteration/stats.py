"""What loading costs, and whether the trainer waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from resumable_data.digest import Json

_WORKS = {
    "planning": "planning",
    "exchanging": "waiting for other processes",
    "reading": "reading",
    "tokenizing": "tokenizing",
    "mapping": "mapping",
    "assembling": "assembling",
    "placing": "placing",
}
_KEEPS_UP = 0.01  # A smaller share of the time does not matter.


@dataclass(frozen=True, kw_only=True)
class Stats:
    """How the time was spent in this process since the iterator was made.

    Times are in seconds. Times of loading are sums over its threads; each thread does one thing at a time. Work in
    progress counts when it ends. Stats are not part of a state, and a restore does not reset them.

    Attributes:
        batches: Batches handed over (or rows, or documents, where there are no batches).
        tokens: Tokens that were read for them, padding excluded; 0 for documents, which are not counted.
        elapsed: Time since a batch was first asked for.
        waited: Time that ``next`` and ``peek`` took: the time that the trainer waits for data.
        planning: Time spent deciding which documents make up which rows.
        exchanging: Time spent waiting for other processes: for their positions, and for lengths that they measure.
        reading: Time spent reading and parsing records, and making flat tokens of them.
        tokenizing: Time spent in ``tokenize``.
        mapping: Time spent in functions of the user: ``map``, ``random_map``, ``filter`` and ``map_batches``.
        assembling: Time spent writing tokens into the arrays of batches.
        placing: Time spent handing the arrays to devices, which may copy them later.
        not_ready: How many batches ``prefetch`` did not have ready when they were asked for; 0 without it.
        ready: Batches that are ready now.
        prefetch: Largest number of batches that ``prefetch`` keeps ready; 0 without it.
    """

    batches: int = 0
    tokens: int = 0
    elapsed: float = 0.0
    waited: float = 0.0
    planning: float = 0.0
    exchanging: float = 0.0
    reading: float = 0.0
    tokenizing: float = 0.0
    mapping: float = 0.0
    assembling: float = 0.0
    placing: float = 0.0
    not_ready: int = 0
    ready: int = 0
    prefetch: int = 0

    def __sub__(self, earlier: Stats) -> Stats:
        """Returns the difference to earlier stats of the same iterator; ``ready`` and ``prefetch`` stay as they are.

        >>> (Stats(batches=7, waited=2.5, ready=3) - Stats(batches=5, waited=2.0, ready=9)).ready
        3
        """
        counted = [field.name for field in fields(self) if field.name not in ("ready", "prefetch")]
        return replace(self, **{name: getattr(self, name) - getattr(earlier, name) for name in counted})

    @property
    def loading(self) -> Mapping[str, float]:
        """Seconds of loading by kind of work, summed over all threads."""
        return {name: getattr(self, name) for name in _WORKS}

    @property
    def waited_share(self) -> float:
        """Share of the time that the trainer waits for data, 0 to 1."""
        return min(1.0, self.waited / self.elapsed) if self.elapsed > 0 else 0.0

    @property
    def words(self) -> str:
        """A sentence that says which part is slow.

        >>> Stats(batches=9, elapsed=10.0, waited=3.8, reading=4.0, planning=1.0, prefetch=2).words
        'The trainer waits 38 % of the time for data; reading takes most of the loading.'
        """
        if not self.batches:
            return "No batch was handed over."
        if self.waited_share < _KEEPS_UP:
            return "The trainer waits less than 1 % of the time for data: loading keeps up with it."
        slowest, share = self._slowest()
        takes = "most" if share > 0.5 else f"the largest part ({share:.0%})".replace("%", " %")
        found = f"The trainer waits {_percent(self.waited_share)} of the time for data"
        if share:
            found += f"; {slowest} takes {takes} of the loading"
        return f"{found}." if self.prefetch else f"{found}. Nothing is loaded while it works: add prefetch()."

    def to_json(self) -> dict[str, Json]:
        """Returns all numbers by name, with ``waited_share`` and ``words``; times in seconds."""
        numbers: dict[str, Json] = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**numbers, "waited_share": self.waited_share, "words": self.words}

    def __str__(self) -> str:
        """Returns a small table.

        >>> print(Stats(batches=50, tokens=10**6, elapsed=10, waited=0.5, reading=4, planning=1, ready=2, prefetch=2))
                                         seconds   ms a batch
        time                              10.000      200.000
        the trainer waits                  0.500       10.000     5 % of the time
        planning                           1.000       20.000    20 % of the loading
        reading                            4.000       80.000    80 % of the loading
        50 batches, 1,000,000 tokens; 2 of up to 2 batches are ready, 0 were not when they were asked for
        The trainer waits 5 % of the time for data; reading takes most of the loading.
        """
        total = sum(self.loading.values())
        lines = [
            f"{'':<28}{'seconds':>12}{'ms a batch':>13}",
            self._line("time", self.elapsed),
            f"{self._line('the trainer waits', self.waited)}{_percent(self.waited_share):>8} of the time",
        ]
        for name, seconds in self.loading.items():
            if seconds:
                lines.append(f"{self._line(_WORKS[name], seconds)}{_percent(seconds / total):>8} of the loading")
        counts = f"{self.batches:,} batches, {self.tokens:,} tokens"
        if self.prefetch:
            counts += f"; {self.ready} of up to {self.prefetch} batches are ready, "
            counts += f"{self.not_ready:,} were not when they were asked for"
        return "\n".join([*lines, counts, self.words])

    def _line(self, name: str, seconds: float) -> str:
        each = 1e3 * seconds / self.batches if self.batches else 0.0
        return f"{name:<28}{seconds:>12.3f}{each:>13.3f}"

    def _slowest(self) -> tuple[str, float]:
        """Returns the slowest kind of work, and its share of the loading; the first of equal ones."""
        total = sum(self.loading.values())
        name = max(self.loading, key=self.loading.__getitem__)
        return _WORKS[name], self.loading[name] / total if total else 0.0


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"

"""Lengths of documents as facts: each process measures and publishes its share, and reads the shares of others."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from resumable_data.arrays import Int64Array
from resumable_data.digest import digest
from resumable_data.errors import ClosedError, PeerError, ResumableDataError
from resumable_data.processes.carriers import Carrier
from resumable_data.processes.failures import encode_failure, failure_in
from resumable_data.processes.length_codec import Lengths, decode_lengths, encode_lengths
from resumable_data.processes.published import PUBLISHED, Own, Published
from resumable_data.timing import Work
from resumable_data.waits import Doing

LOGGER = logging.getLogger(__name__)

_SECONDS_BETWEEN_WARNINGS = 60.0
_PAUSE_SECONDS = 0.5
# A process that measures is never two groups ahead of another one that measures. A process that only reads lengths
# may lag by all that is loaded ahead.
_GROUPS = 16

Measure = Callable[[Int64Array], Sequence[Lengths]]
"""Takes int64[k], the places of windows. Returns the lengths of the documents of each window."""


class ExchangeClosedError(ClosedError):
    """The exchange of lengths was closed before or during its use."""


@dataclass(frozen=True)
class _Windows:
    """The windows of one group, by place.

    Attributes:
        what: The name of the component.
        group: The group of their facts.
        keys: The key of each window.
        speakers: The process that measures each window.
        counts: The number of documents of each window.
        measure: Measures some windows in this process.
        ahead: Whether the lengths are loaded ahead, so that no thread of this process waits for them yet.
    """

    what: str
    group: str
    keys: Sequence[str]
    speakers: Sequence[int]
    counts: Sequence[int]
    measure: Measure
    ahead: bool

    def measured(self, places: Sequence[int]) -> dict[int, Lengths]:
        """Measures some windows in this process, and returns their lengths by place."""
        found = dict(zip(places, self.measure(np.array(places, np.int64)), strict=True))
        for place, (lengths, _) in found.items():
            if len(lengths) != self.counts[place]:
                expected = self.counts[place]
                raise ValueError(f"{self.what}: window {place} has {expected} documents, but {len(lengths)} measured")
        return found

    def speakers_at(self, places: Iterable[int]) -> set[int]:
        """Returns the processes that measure some windows."""
        return {self.speakers[place] for place in places}


class LengthExchange:
    """Shares the measuring of windows among processes that all need all lengths.

    A process first publishes its own lengths of a group, and then waits for the others. If lengths do not come in
    time, it measures them itself. So a process that runs alone goes on, and pays the time-out once. One thread uses
    an exchange; another thread may close it.

    Args:
        carrier: Carries the facts.
        speakers: For each logical shard, the process that measures its windows; see ``speakers_of``.
        process: This process.
        timeout_seconds: The least time to wait for others. It is longer if measuring the own share took longer: four
            times as long as that.
        warn_after_seconds: When the log says for the first time which processes are late.
        published: The facts that this Python process has published; by default all exchanges share one.
    """

    def __init__(
        self,
        carrier: Carrier,
        speakers: Sequence[int],
        process: int,
        timeout_seconds: float = 60.0,
        warn_after_seconds: float = 10.0,
        published: Published = PUBLISHED,
    ) -> None:
        self._carrier = carrier
        self._speakers = speakers
        self._process = process
        self._timeout_seconds = timeout_seconds
        self._warn_after_seconds = warn_after_seconds
        self._published = published
        self._closing = threading.Event()
        self._keeping = threading.RLock()  # The garbage collector may close an exchange anywhere, also in here.
        # By component, the facts that were published for the last groups, the oldest first.
        self._kept: dict[str, list[Own]] = {}
        # The processes that did not publish in time, and have not published since.
        self._silent: set[int] = set()
        # Encoded failures that were raised before, or belong to an earlier run.
        self._heard: set[bytes] = set()

    def share(
        self,
        keys: Sequence[str],
        shards: Sequence[int],
        measure: Measure,
        counts: Sequence[int],
        what: str,
        *,
        ahead: bool = False,
    ) -> list[Lengths]:
        """Returns the lengths of the documents of windows. This process measures only its share of them.

        Args:
            keys: For each window, a digest of its records and of what reads them, the same on all processes.
            shards: The logical shard of each window, ascending.
            measure: Measures windows here, given their places in ``keys``.
            counts: The number of documents of each window.
            what: The name of the component, also in errors; the same for all its groups.
            ahead: Whether the lengths are loaded ahead, so that no thread of this process waits for them yet. Then
                other processes are not told of an error, and this process does not measure the lengths that do not
                come in time. The next request for the lengths tries again.

        Returns:
            For each window, the lengths and the counts of its documents.

        Raises:
            PeerError: Another process cannot measure its share, or the others cannot be reached.
            SourceError: The directory of the facts cannot be read or written.
            ExchangeClosedError: The exchange was closed before or during the call.
        """
        speakers = [self._speakers[shard] for shard in shards]
        keys = self._keys_of(keys, speakers)
        windows = _Windows(what, digest(*keys), keys, speakers, counts, measure, ahead)
        everything = range(len(keys))
        self._check_open()
        found = self._find_earlier(windows, everything) if self._carrier.lasting else {}
        started = time.monotonic()
        found |= self._measure_own(
            windows, [place for place in _missing(everything, found) if speakers[place] == self._process]
        )
        patience = max(self._timeout_seconds, 4 * (time.monotonic() - started))
        with Doing(lambda: f"waiting for the lengths of documents of {what} that others measure", Work.EXCHANGING):
            found |= self._wait_for_others(windows, _missing(everything, found), patience)
        found |= self._measure_late(windows, _missing(everything, found))
        return [found[place] for place in everything]

    def close(self) -> None:
        """Ends every wait with an ``ExchangeClosedError``. Facts that others may still need stay for a while.

        Call it before you close what ``measure`` reads.
        """
        with self._keeping:
            self._closing.set()
            left = [own for owns in self._kept.values() for own in owns]
            self._kept.clear()
        if left:
            self._published.leave(left)

    def _keys_of(self, keys: Sequence[str], speakers: Sequence[int]) -> Sequence[str]:
        """Returns keys that no two processes share, if processes delete their facts.

        The speaker of a window depends on the mesh. A pipeline that uses the same documents on another mesh has
        another speaker. The fact of that speaker must stay when the first one deletes its own.
        """
        if self._carrier.lasting:
            return keys
        return [f"{key}-{speaker}" for key, speaker in zip(keys, speakers, strict=True)]

    def _measure_own(self, windows: _Windows, places: Sequence[int]) -> dict[int, Lengths]:
        """Measures the own share and publishes it. If that fails, publishes the reason."""
        self._keep(windows, places)
        if not places:
            return {}
        try:
            found = windows.measured(places)
        except BaseException as error:
            # Also for Ctrl-C: the others would wait in vain. But after a close, what measures may be closed too.
            if not self._closing.is_set() and not windows.ahead:
                failure = encode_failure(self._process, error)
                with suppress(ResumableDataError):
                    self._carrier.publish(windows.group, {windows.keys[place]: failure for place in places})
            raise
        self._publish(windows, found)
        return found

    def _wait_for_others(self, windows: _Windows, places: Sequence[int], patience: float) -> dict[int, Lengths]:
        """Waits up to ``patience`` seconds for the lengths that others publish, and returns those that came."""
        found = self._find_now(windows, places)
        awaited = [place for place in _missing(places, found) if windows.speakers[place] not in self._silent]
        now = time.monotonic()
        deadline, next_warning = now + patience, now + self._warn_after_seconds
        waits = 0
        while (awaited := _missing(awaited, found)) and now < deadline:
            fact = self._next(windows, awaited[0], min(deadline, next_warning) - now)
            if fact is not None:
                found[awaited[0]] = fact
                waits += 1
                # Read all after 1, 2, 4, 8, … waits. Most facts come together, so this takes few calls.
                if waits & (waits - 1) == 0:
                    found |= self._find_now(windows, awaited[1:])
            now = time.monotonic()
            if next_warning <= now < deadline:
                found |= self._find_now(windows, awaited)
                self._warn(windows, _missing(awaited, found))
                next_warning = now + _SECONDS_BETWEEN_WARNINGS
        return found | self._find_now(windows, awaited)

    def _measure_late(self, windows: _Windows, places: Sequence[int]) -> dict[int, Lengths]:
        """Measures the windows that others did not measure in time."""
        if not places:
            return {}
        speakers = windows.speakers_at(places)
        late = speakers - self._silent
        if late and windows.ahead:
            # They may not be as far as this process is. The next request for the lengths waits again.
            raise PeerError(f"{windows.what}: lengths of process {_listed(late)} are not there yet")
        if late:
            LOGGER.warning(
                "%s: lengths of process %s did not come in time and are measured here, until it is heard again",
                windows.what,
                _listed(late),
            )
        self._silent |= speakers
        found = windows.measured(places)
        # If a process has published meanwhile, the next group waits for it again.
        self._find_now(windows, places)
        if self._carrier.lasting:
            self._publish(windows, found)
        return found

    def _find_earlier(self, windows: _Windows, places: Sequence[int]) -> dict[int, Lengths]:
        """Finds lengths of an earlier run, and notes its failures, so that they are not raised again."""
        facts = self._carrier.find(windows.group, [windows.keys[place] for place in places])
        self._heard |= {fact for fact in facts.values() if failure_in(fact)}
        return self._decoded(windows, places, facts)

    def _find_now(self, windows: _Windows, places: Sequence[int]) -> dict[int, Lengths]:
        """Finds the lengths that others have published by now. Their processes are no longer silent."""
        if not places:
            return {}
        facts = self._carrier.find(windows.group, [windows.keys[place] for place in places])
        found = self._decoded(windows, places, facts)
        self._silent -= windows.speakers_at(found)
        return found

    def _next(self, windows: _Windows, place: int, seconds: float) -> Lengths | None:
        """Waits for the lengths of a window; returns None if they do not come in time."""
        fact = self._carrier.wait(windows.group, windows.keys[place], seconds, self._closing)
        lengths = None if fact is None else self._lengths(windows, place, fact)
        if fact is not None and lengths is None:
            # There is a fact, but it does not count. Another one may replace it.
            self._closing.wait(min(seconds, _PAUSE_SECONDS))
        self._check_open()
        return lengths

    def _decoded(self, windows: _Windows, places: Iterable[int], facts: dict[str, bytes]) -> dict[int, Lengths]:
        found = {place: facts[windows.keys[place]] for place in places if windows.keys[place] in facts}
        lengths = {place: self._lengths(windows, place, fact) for place, fact in found.items()}
        return {place: known for place, known in lengths.items() if known is not None}

    def _lengths(self, windows: _Windows, place: int, fact: bytes) -> Lengths | None:
        """Decodes a fact. Returns None if it is damaged, or is a failure that was raised before."""
        if fact in self._heard:
            return None
        if failure := failure_in(fact):
            if not windows.ahead:
                self._heard.add(fact)
            raise PeerError(
                f"{windows.what}: process {failure.process} cannot measure its share of the documents:\n"
                f"  {failure.reason}"
            )
        try:
            return decode_lengths(fact, windows.counts[place])
        except ValueError:
            return None

    def _publish(self, windows: _Windows, found: dict[int, Lengths]) -> None:
        self._check_open()
        self._carrier.publish(
            windows.group, {windows.keys[place]: encode_lengths(*lengths) for place, lengths in found.items()}
        )

    def _keep(self, windows: _Windows, places: Sequence[int]) -> None:
        """Holds the facts that are about to be published, and releases those of groups long before."""
        if self._carrier.lasting:
            return
        own = Own(self._carrier, windows.group, tuple(windows.keys[place] for place in places))
        with self._keeping:
            self._check_open()
            kept = self._kept.setdefault(windows.what, [])
            if own in kept:
                return
            self._published.hold(own)
            kept.append(own)
            for old in kept[:-_GROUPS]:
                self._published.release(old)
            del kept[:-_GROUPS]

    def _warn(self, windows: _Windows, places: Sequence[int]) -> None:
        if places:
            waited_for = _listed(windows.speakers_at(places))
            LOGGER.warning("%s: waiting for the lengths of documents of process %s", windows.what, waited_for)

    def _check_open(self) -> None:
        if self._closing.is_set():
            raise ExchangeClosedError("this exchange of lengths of documents is closed")


def _missing(places: Iterable[int], found: dict[int, Lengths]) -> list[int]:
    return [place for place in places if place not in found]


def _listed(processes: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(processes)))

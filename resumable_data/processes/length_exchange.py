"""Lengths of documents as facts: each process measures its share, publishes it, and hears of the rest."""

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

_PATIENCE_SECONDS = 60.0
_AGAIN_SECONDS = 0.5
# Who measures is never two groups ahead of another that does. Who only listens may lag by all that is loaded ahead.
_GROUPS = 16

Measure = Callable[[Int64Array], Sequence[Lengths]]
"""From int64[k] places of windows to the lengths of the documents of each."""


class ExchangeClosedError(ClosedError):
    """The exchange of lengths was closed, before it was used or meanwhile."""


@dataclass(frozen=True)
class _Windows:
    """The windows of one group, by place.

    Attributes:
        what: Names the component.
        group: The group that their facts have.
        keys: Of each window.
        speakers: The process that measures each.
        counts: Documents of each.
        measure: Measures some of them here.
        ahead: Whether nobody here waits for them yet.
    """

    what: str
    group: str
    keys: Sequence[str]
    speakers: Sequence[int]
    counts: Sequence[int]
    measure: Measure
    ahead: bool

    def measured(self, places: Sequence[int]) -> dict[int, Lengths]:
        """The lengths of some, measured here."""
        found = dict(zip(places, self.measure(np.array(places, np.int64)), strict=True))
        for place, (lengths, _) in found.items():
            if len(lengths) != self.counts[place]:
                expected = self.counts[place]
                raise ValueError(f"{self.what}: window {place} has {expected} documents, but {len(lengths)} measured")
        return found

    def speakers_at(self, places: Iterable[int]) -> set[int]:
        """Who measures some."""
        return {self.speakers[place] for place in places}


class LengthExchange:
    """Shares the measuring of windows among processes that all need all lengths.

    A process publishes all that it measures of a group before it waits for any. What does not come in time it
    measures itself, so a process that runs alone gets on, and pays the time-out once. One thread uses an exchange,
    another may close it.

    Args:
        carrier: Carries the facts.
        speakers: For each logical shard the process that measures its windows; see ``speakers_of``.
        process: The present process.
        timeout_seconds: How long to wait for others, at least; four times what the own share took, if that is more.
        warn_after_seconds: When the log says for the first time who is waited for.
        published: What this Python process has published; by default there is one for all exchanges.
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
        # By component, what was published for the last groups, the oldest first.
        self._kept: dict[str, list[Own]] = {}
        # Who did not speak in time, and has not been heard since.
        self._silent: set[int] = set()
        # Failures that were raised before, or belong to an earlier run.
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
        """The lengths of the documents of windows, of which this process measures its share.

        Args:
            keys: For each window a digest of what reads it and of its records, the same on all processes.
            shards: The logical shard of each window, ascending.
            measure: Measures windows here, given their places in ``keys``.
            counts: Documents of each window.
            what: Names the component, in errors too, the same for all its groups.
            ahead: Whether nobody here waits for them yet. Then nobody is told of an error, and what others do not
                publish in time is not measured here: whoever asks for the lengths later tries again.

        Returns:
            For each window the lengths, and what is counted of its documents.

        Raises:
            PeerError: A process cannot measure its share, and says why, or the others cannot be reached.
            SourceError: The directory of the facts cannot be read, or not be written.
            ExchangeClosedError: The exchange is closed, before or meanwhile.
        """
        speakers = [self._speakers[shard] for shard in shards]
        keys = self._keys_of(keys, speakers)
        windows = _Windows(what, digest(*keys), keys, speakers, counts, measure, ahead)
        everything = range(len(keys))
        self._go_on()
        found = self._found_of_old(windows, everything) if self._carrier.lasting else {}
        started = time.monotonic()
        found |= self._own(windows, [place for place in _rest(everything, found) if speakers[place] == self._process])
        patience = max(self._timeout_seconds, 4 * (time.monotonic() - started))
        with Doing(lambda: f"waiting for the lengths of documents of {what} that others measure", Work.EXCHANGING):
            found |= self._of_others(windows, _rest(everything, found), patience)
        found |= self._instead(windows, _rest(everything, found))
        return [found[place] for place in everything]

    def close(self) -> None:
        """Ends what waits, with an ``ExchangeClosedError``; what others may still need is left for a while.

        It comes before whatever ``measure`` reads is closed.
        """
        with self._keeping:
            self._closing.set()
            left = [own for owns in self._kept.values() for own in owns]
            self._kept.clear()
        if left:
            self._published.leave(left)

    def _keys_of(self, keys: Sequence[str], speakers: Sequence[int]) -> Sequence[str]:
        """Keys under which no two processes publish, where a process deletes what it has published.

        The speaker of a window depends on the mesh. A pipeline that uses the same documents on another mesh has
        another speaker, whose fact must not go when the first one deletes its own.
        """
        if self._carrier.lasting:
            return keys
        return [f"{key}-{speaker}" for key, speaker in zip(keys, speakers, strict=True)]

    def _own(self, windows: _Windows, places: Sequence[int]) -> dict[int, Lengths]:
        """Measures the own share and publishes it, or why it cannot be measured."""
        self._keep(windows, places)
        if not places:
            return {}
        try:
            found = windows.measured(places)
        except BaseException as error:
            # A Ctrl-C too: the others would wait in vain. But whoever closes may take away what measures.
            if not self._closing.is_set() and not windows.ahead:
                failure = encode_failure(self._process, error)
                with suppress(ResumableDataError):
                    self._carrier.publish(windows.group, {windows.keys[place]: failure for place in places})
            raise
        self._publish(windows, found)
        return found

    def _of_others(self, windows: _Windows, places: Sequence[int], patience: float) -> dict[int, Lengths]:
        """What others have published, once it is there; not of those that take longer than ``patience`` seconds."""
        found = self._look(windows, places)
        awaited = [place for place in _rest(places, found) if windows.speakers[place] not in self._silent]
        now = time.monotonic()
        deadline, complaint = now + patience, now + self._warn_after_seconds
        waits = 0
        while (awaited := _rest(awaited, found)) and now < deadline:
            fact = self._next(windows, awaited[0], min(deadline, complaint) - now)
            if fact is not None:
                found[awaited[0]] = fact
                waits += 1
                # A read of all after 1, 2, 4, 8, … waits: few calls where most facts come together, and never many.
                if waits & (waits - 1) == 0:
                    found |= self._look(windows, awaited[1:])
            now = time.monotonic()
            if complaint <= now < deadline:
                found |= self._look(windows, awaited)
                self._complain(windows, _rest(awaited, found))
                complaint = now + _PATIENCE_SECONDS
        return found | self._look(windows, awaited)

    def _instead(self, windows: _Windows, places: Sequence[int]) -> dict[int, Lengths]:
        """Measures what others did not in time."""
        if not places:
            return {}
        speakers = windows.speakers_at(places)
        late = speakers - self._silent
        if late and windows.ahead:
            # They may not be as far as this process is: whoever asks for the lengths waits once more.
            raise PeerError(f"{windows.what}: lengths of process {_listed(late)} are not there yet")
        if late:
            LOGGER.warning(
                "%s: lengths of process %s did not come in time and are measured here, until it is heard again",
                windows.what,
                _listed(late),
            )
        self._silent |= speakers
        found = windows.measured(places)
        # Who has spoken meanwhile is waited for at the next group.
        self._look(windows, places)
        if self._carrier.lasting:
            self._publish(windows, found)
        return found

    def _found_of_old(self, windows: _Windows, places: Sequence[int]) -> dict[int, Lengths]:
        """What is there already, most often from an earlier run, as are failures, which nobody is to hear of."""
        facts = self._carrier.find(windows.group, [windows.keys[place] for place in places])
        self._heard |= {fact for fact in facts.values() if failure_in(fact)}
        return self._understood(windows, places, facts)

    def _look(self, windows: _Windows, places: Sequence[int]) -> dict[int, Lengths]:
        """What others have published by now; they are not silent."""
        if not places:
            return {}
        facts = self._carrier.find(windows.group, [windows.keys[place] for place in places])
        found = self._understood(windows, places, facts)
        self._silent -= windows.speakers_at(found)
        return found

    def _next(self, windows: _Windows, place: int, seconds: float) -> Lengths | None:
        """The fact of a window, or None after a while."""
        fact = self._carrier.wait(windows.group, windows.keys[place], seconds, self._closing)
        lengths = None if fact is None else self._lengths(windows, place, fact)
        if fact is not None and lengths is None:
            # There is one, but it does not count; another one may take its place.
            self._closing.wait(min(seconds, _AGAIN_SECONDS))
        self._go_on()
        return lengths

    def _understood(self, windows: _Windows, places: Iterable[int], facts: dict[str, bytes]) -> dict[int, Lengths]:
        found = {place: facts[windows.keys[place]] for place in places if windows.keys[place] in facts}
        lengths = {place: self._lengths(windows, place, fact) for place, fact in found.items()}
        return {place: known for place, known in lengths.items() if known is not None}

    def _lengths(self, windows: _Windows, place: int, fact: bytes) -> Lengths | None:
        """What a fact says; None for what is damaged, and for a failure that was heard before."""
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
        self._go_on()
        self._carrier.publish(
            windows.group, {windows.keys[place]: encode_lengths(*lengths) for place, lengths in found.items()}
        )

    def _keep(self, windows: _Windows, places: Sequence[int]) -> None:
        """Holds the facts that are about to be published, and lets go of those of groups long before."""
        if self._carrier.lasting:
            return
        own = Own(self._carrier, windows.group, tuple(windows.keys[place] for place in places))
        with self._keeping:
            self._go_on()
            kept = self._kept.setdefault(windows.what, [])
            if own in kept:
                return
            self._published.hold(own)
            kept.append(own)
            for old in kept[:-_GROUPS]:
                self._published.release(old)
            del kept[:-_GROUPS]

    def _complain(self, windows: _Windows, places: Sequence[int]) -> None:
        if places:
            waited_for = _listed(windows.speakers_at(places))
            LOGGER.warning("%s: waiting for the lengths of documents of process %s", windows.what, waited_for)

    def _go_on(self) -> None:
        if self._closing.is_set():
            raise ExchangeClosedError("this exchange of lengths of documents is closed")


def _rest(places: Iterable[int], found: dict[int, Lengths]) -> list[int]:
    return [place for place in places if place not in found]


def _listed(processes: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(processes)))

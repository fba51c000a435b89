"""Processes that deliver the batches of one pipeline together: they begin at one position, and end at one step."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, cast

from resumable_data.batch import LLMBatch
from resumable_data.errors import PeerError
from resumable_data.processes.agreement import agree, report_of
from resumable_data.processes.rendezvous import Rendezvous
from resumable_data.stages.batch import BatchCursor, BatchEngine
from resumable_data.state import State

# One process may evaluate, or write, alone for long before it comes: in front of a first batch as of any other.
_TIMEOUT_SECONDS = 3600

Following = tuple[LLMBatch, BatchCursor]
"""A batch, and the cursor behind it."""


class Outlook(NamedTuple):
    """What a process says of the batches that its own logical shards have rows for.

    Attributes:
        steps: The shards have rows for the batches of all steps below this one, as far as is known.
        ended: Whether they have rows for no other.
    """

    steps: int
    ended: bool


def common_steps(outlooks: Collection[Outlook], drop_remainder: bool) -> int:
    """The step up to which all processes go on, given what each of them says; at the end, the one they stand at.

    Batches are delivered as long as every shard fills its part, where the remainder is dropped; otherwise as long as
    any shard has rows.

    >>> common_steps([Outlook(7, False), Outlook(5, True)], drop_remainder=True)
    5
    >>> common_steps([Outlook(7, False), Outlook(5, True)], drop_remainder=False)
    7
    """
    bounds = [outlook.steps for outlook in outlooks if drop_remainder or not outlook.ended]
    return min(bounds) if bounds else max(outlook.steps for outlook in outlooks)


class Companions:
    """The processes that deliver batches with this one, as this one deals with them.

    Where data ends and each process plans its own logical shards alone, none of them knows the last step. So they
    meet at the step up to which all are known to have rows, and each says how far its own shards go from there:
    prefetching, several steps at a time.

    Args:
        engine: What plans this process's batches.
    """

    def __init__(self, engine: BatchEngine) -> None:
        self._engine = engine
        self._processes = engine.processes
        self._place: str | None = None
        self._until = 0

    @property
    def agreed(self) -> bool:
        """Whether they have agreed on the position that they are at."""
        return self._place is not None

    def part(self) -> None:
        """This process goes elsewhere: there they have to agree first, and who waits for it here hears of it.

        Healthy processes all go, but a thread that reads ahead, as Grain has them, may wait for one that went.
        """
        if self._place is not None and self._engine.ends_with_others:
            # Nobody waits where nobody can be reached, or where the run is over, which is a ValueError.
            with suppress(PeerError, ValueError):
                self._rendezvous.decline("it was closed, or went to another position")
        self._place = None

    def agree(self, state: State) -> None:
        """Begins at a position.

        Raises:
            PipelineMismatchError: The others are at another.
            PeerError: They cannot go on, or do not come.
        """
        self._place = agree("before the first batch", self._processes, report_of(state), _TIMEOUT_SECONDS)
        self._until = cast(int, state["step"])

    def in_common(self, step: int, cursor: BatchCursor, own: Following | None, ahead: int) -> Following | None:
        """What all processes deliver at a step.

        Args:
            step: The step.
            cursor: The cursor in front of it.
            own: What this process's shards have for it, None behind their end.
            ahead: Batches behind it that are loaded already.

        Returns:
            The process's own batch; one of unscored rows, where only other processes have rows; or None at the end.

        Raises:
            PeerError: Another process cannot go on, or does not come.
        """
        if not self._engine.ends_with_others:
            return own
        if step == self._until:
            outlook = Outlook(step, True) if own is None else Outlook(step + 1 + ahead, False)
            self._until = self._met(outlook)
        if step == self._until:
            # There is no further rendezvous.
            self._place = None
            return None
        if own is not None:
            return own
        try:
            return self._engine.unscored(cursor, step)
        except Exception as error:
            self.fail(error)
            raise

    def fail(self, error: Exception) -> None:
        """Tells the others, who wait for it or will, that this process cannot go on."""
        if self._engine.ends_with_others:
            # What went wrong here says more than that nobody can be told of it.
            with suppress(PeerError):
                self._rendezvous.fail(f"{type(error).__name__}: {error}")
            self._place = None

    def _met(self, outlook: Outlook) -> int:
        """Up to which step all go on from here."""
        try:
            return cast(int, self._rendezvous.meet(list(outlook), self._judge))
        except BaseException:
            # Whoever goes on from here has to agree again: the place of this rendezvous is used.
            self._place = None
            raise

    @property
    def _rendezvous(self) -> Rendezvous:
        purpose, place = f"before the batch of step {self._until}", f"{self._place}/steps/{self._until}"
        return Rendezvous.here(purpose, self._processes, place, _TIMEOUT_SECONDS)

    def _judge(self, said: Mapping[int, Any]) -> int:
        return common_steps([Outlook(*outlook) for outlook in said.values()], self._engine.drop_remainder)

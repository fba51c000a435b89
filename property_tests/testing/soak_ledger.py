"""Compares the steps of a run that is killed over and over with the steps that it must have."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

START = b""


class DifferenceError(AssertionError):
    """A step is not the one that it must be."""


def extended(chain: bytes, link: str) -> bytes:
    """Adds a link to a chain. Two chains are equal only if all their links are."""
    return hashlib.sha256(chain + link.encode()).digest()


@dataclass
class Ledger:
    """Chains of digests over the steps of one run, through all its kills and resumes.

    Attributes:
        expected: Digest of each batch, from an iterator without interruptions.
        losses: Losses by their history: the step, and the numbers of processes of each step so far. Ledgers of
            several runs may share them.
        verified: The number of compared steps.
        redone: The number of these that had been delivered before.
        equal_losses: The number of losses compared with an earlier one of the same history, all equal to the bit.
    """

    expected: Iterator[str]
    losses: dict[tuple[int, bytes], str] = field(default_factory=dict[tuple[int, bytes], str])
    verified: int = 0
    redone: int = 0
    equal_losses: int = 0
    _wanted: list[bytes] = field(default_factory=lambda: [START])
    _delivered: list[bytes] = field(default_factory=lambda: [START])
    _history: list[bytes] = field(default_factory=lambda: [START])
    _latest: list[str] = field(default_factory=list[str])

    @property
    def steps(self) -> int:
        """The number of delivered steps. A repeated step counts once."""
        return len(self._latest)

    @property
    def latest_losses(self) -> list[float]:
        """The loss of each step when it was last done."""
        return [float.fromhex(loss) for loss in self._latest]

    def deliver(self, step: int, batch: str, loss: str, processes: int) -> None:
        """Checks a step.

        Args:
            step: Its number. The step before it was delivered.
            batch: Digest of the batch.
            loss: The loss, as ``float.hex`` writes it.
            processes: The number of processes.

        Raises:
            DifferenceError: A step before it is missing, or its batch, an earlier batch or its loss is wrong.
        """
        if step > self.steps:
            raise DifferenceError(f"step {step} follows on step {self.steps - 1}")
        while len(self._wanted) <= step + 1:
            self._wanted.append(extended(self._wanted[-1], next(self.expected)))
        chain, history = extended(self._delivered[step], batch), extended(self._history[step], str(processes))
        if chain != self._wanted[step + 1]:
            raise DifferenceError(f"the batches up to step {step} are not those of an uninterrupted iteration")
        if step < self.steps:
            self.redone += 1
        self.verified += 1
        self._delivered[step + 1 :] = [chain, *self._delivered[step + 2 :]]
        self._history[step + 1 :] = [history, *self._history[step + 2 :]]
        self._latest[step:] = [loss, *self._latest[step + 1 :]]
        before = self.losses.get((step, history))
        if before is None:
            self.losses[step, history] = loss
        elif before == loss:
            self.equal_losses += 1
        else:
            raise DifferenceError(f"the loss of step {step} was {before}, and is {loss} after the same history")


def largest_difference(losses: list[float], others: list[float]) -> float:
    """Returns the largest difference between losses of the same steps, relative to the second ones."""
    pairs = zip(losses, others, strict=False)
    return max((abs(loss - other) / abs(other) for loss, other in pairs), default=0.0)

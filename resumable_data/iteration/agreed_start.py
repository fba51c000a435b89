"""Checks that processes which deliver batches together begin at one position."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from resumable_data.processes.agreement import agree, report_of
from resumable_data.state import State
from resumable_data.timing import Work
from resumable_data.waits import Doing

# One process may evaluate or write alone for a long time before it arrives.
_TIMEOUT_SECONDS = 3600


class AgreedStart:
    """The agreement of several processes before the first batch of each position.

    Args:
        processes: The processes that deliver batches together, ascending; empty if this process is alone.
    """

    def __init__(self, processes: Sequence[int]) -> None:
        self._processes = processes
        self._agreed = False

    def forget(self) -> None:
        """Forgets the agreement, because this process goes to another position."""
        self._agreed = False

    def agree(self, state: Callable[[], State]) -> None:
        """Waits until all processes are at the position of a state, unless they agreed on it already.

        Raises:
            PipelineMismatchError: Other processes are at another position.
            PeerError: Other processes cannot go on, or do not arrive.
        """
        if self._processes and not self._agreed:
            with Doing(_agreeing, Work.EXCHANGING):
                agree("before the first batch", self._processes, report_of(state()), _TIMEOUT_SECONDS)
        self._agreed = True


def _agreeing() -> str:
    return "comparing the position with those of the other processes"

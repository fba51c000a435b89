"""How documents are measured whose lengths show only when they are read: by shares, and what is kept of them."""

from __future__ import annotations

from dataclasses import dataclass

from etils import epath

from resumable_data.engines.worker import Worker
from resumable_data.errors import PipelineError
from resumable_data.placement.views import View
from resumable_data.processes.directory_carrier import DirectoryCarrier
from resumable_data.processes.length_exchange import LengthExchange
from resumable_data.processes.service_carrier import ServiceCarrier
from resumable_data.processes.speakers import speakers_of

_LISTENER = -1


@dataclass(frozen=True)
class Sharing:
    """How processes share the measuring. It decides no order.

    Attributes:
        directory: Where processes leave the lengths that they measured, or None for JAX's coordination service.
        kept_bytes: Bound on the tokens that a process keeps from when they are measured until they are delivered.
        timeout_seconds: How long a process waits for the lengths of others before it measures the documents itself.
    """

    directory: epath.PathLike | None = None
    kept_bytes: int = 2**30
    timeout_seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.kept_bytes < 0 or self.timeout_seconds < 0:
            raise PipelineError(
                f"measure: kept_bytes={self.kept_bytes} and timeout_seconds={self.timeout_seconds} are not negative"
            )

    def exchange(self, view: View, largest_batch: int, shards: int, worker: Worker) -> LengthExchange | None:
        """Returns what exchanges lengths with the other processes; None if this one measures all.

        Args:
            view: What this process sees of a batch.
            largest_batch: Rows of the largest batch.
            shards: Logical shards.
            worker: The worker of this process; workers measure the shards of their process in turn.
        """
        if self.directory is None and not view.sharers:
            return None
        carrier = ServiceCarrier.here() if self.directory is None else DirectoryCarrier(self.directory)
        speakers = speakers_of(view.rows_of_all(largest_batch), largest_batch, shards)
        process = view.place
        if view.sharers:
            # Errors name processes as JAX numbers them. One that delivers nothing only listens.
            numbers = (*view.sharers, _LISTENER)
            speakers, process = [numbers[speaker] for speaker in speakers], numbers[process]
        if worker.count > 1:
            speakers = [speaker * worker.count + shard % worker.count for shard, speaker in enumerate(speakers)]
            process = process * worker.count + worker.index
        return LengthExchange(carrier, speakers, process, self.timeout_seconds)

"""The shuffle stage: another order every epoch."""

from __future__ import annotations

from dataclasses import dataclass

from resumable_data.arrays import Int64Array, Ragged
from resumable_data.errors import PipelineError
from resumable_data.order import permutation
from resumable_data.reading.fields import TokenFields
from resumable_data.stages.documents import ChainStage
from resumable_data.state import Settings


@dataclass(frozen=True)
class Shuffle(ChainStage):
    """A keyed permutation of each epoch, of the whole source or of blocks of neighbours.

    Attributes:
        seed: Together with the component's path and the epoch it gives the order.
        block: Records that stay together, or None to shuffle them all.
    """

    seed: int
    block: int | None = None

    def __post_init__(self) -> None:
        if self.parent.shuffle_seed is not None:
            raise PipelineError("shuffle: these documents are shuffled already")
        if self.parent.epochs != 1:
            raise PipelineError("shuffle goes before repeat, which then shuffles every epoch anew")
        if self.block is not None and self.block < 1:
            raise PipelineError(f"shuffle: block={self.block} must be at least 1")

    @property
    def name(self) -> str:
        """The stage's name."""
        return "shuffle"

    def settings(self) -> Settings:
        """Seed and block size."""
        return {"seed": self.seed, "block": self.block}

    def algorithms(self) -> dict[str, int]:
        """The permutation."""
        return {"permutation": permutation.VERSION}

    @property
    def shuffle_seed(self) -> int | None:
        """The seed."""
        return self.seed

    def records(self, path: str, epoch: int, positions: Int64Array, epoch_size: int) -> Int64Array:
        """Records at the permuted positions."""
        key = (self.seed, path, epoch)
        if self.block is None:
            permuted = permutation.permutation(epoch_size, "shuffle", *key)(positions)
        else:
            permuted = permutation.permute_blocks(self.block, epoch_size, positions, *key)
        return self.parent.records(path, epoch, permuted, epoch_size)

    def read_fields(self, records: Int64Array, fields: TokenFields) -> Ragged:
        """The parent's: documents stay as they are."""
        return self.parent.read_fields(records, fields)

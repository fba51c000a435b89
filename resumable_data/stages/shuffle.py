"""The shuffle stage: another order every epoch."""

from __future__ import annotations

from dataclasses import dataclass

from resumable_data.arrays import Int64Array
from resumable_data.errors import PipelineError
from resumable_data.order import permutation
from resumable_data.state import Settings


@dataclass(frozen=True)
class Shuffle:
    """A keyed permutation of each epoch, of the whole source or of blocks of neighbours.

    Attributes:
        seed: Decides the order, with the component's path and the epoch.
        block: Number of neighbours that stay together, or None to shuffle single records.
    """

    seed: int
    block: int | None = None

    def __post_init__(self) -> None:
        if self.block is not None and self.block < 1:
            raise PipelineError(f"shuffle: block={self.block} must be at least 1")

    @property
    def name(self) -> str:
        """The stage's name."""
        return "shuffle"

    def settings(self) -> Settings:
        """Returns seed and block size."""
        return {"seed": self.seed, "block": self.block}

    def algorithms(self) -> dict[str, int]:
        """Returns the version of the permutation."""
        return {"permutation": permutation.VERSION}

    def records(self, epoch_size: int, path: str, epoch: int, positions: Int64Array) -> Int64Array:
        """Returns the records at int64[n] positions of an epoch of the component at ``path``."""
        key = (self.seed, path, epoch)
        if self.block is None:
            return permutation.permutation(epoch_size, "shuffle", *key)(positions)
        return permutation.permute_blocks(self.block, epoch_size, positions, *key)

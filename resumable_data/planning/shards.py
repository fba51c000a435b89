"""The rows of a pipeline's logical shards, put together to those of global batches."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from resumable_data.packing.plan import RowPlan, concatenate
from resumable_data.planning.planner import Counts, Extent, RowPlanner, Saved
from resumable_data.state import At

_ROWS_AT_ONCE = 256

ShardedAt = dict[str, tuple[At | None, ...]]


class ShardedRows:
    """Plans global rows: of every batch of G rows, logical shard ``s`` of S owns ``[s * G / S, (s + 1) * G / S)``.

    A cursor is a tuple, with the cursor of each shard that is planned here.

    Args:
        planners: The planners of the shards that this process needs, or of all of them, by shard.
        paths: The component paths that a planner's cursor is encoded by.
        shards: How many shards there are.
        drop_remainder: Whether the rows end where one shard cannot fill its part of a batch, rather than being
            filled up with rows that carry no scored token.
    """

    def __init__(
        self, planners: Mapping[int, RowPlanner[Any]], paths: Collection[str], shards: int, *, drop_remainder: bool
    ) -> None:
        self._planners = planners
        self._paths = paths
        self._shards = shards
        self._drop_remainder = drop_remainder

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return self._shards

    def start(self) -> tuple[Any, ...]:
        """The cursor in front of the first row."""
        return tuple(planner.start() for planner in self._planners.values())

    def take(self, cursor: tuple[Any, ...], size: int) -> tuple[RowPlan, tuple[Any, ...]]:
        """The rows of a batch, empty where they are another process's, and the cursor behind them.

        With one shard there are fewer than ``size`` at the end; with several all or none.
        """
        share = size // self._shards
        taken = [planner.take(at, share) for planner, at in zip(self._planners.values(), cursor, strict=True)]
        behind = tuple(at for _, at in taken)
        if self._shards == 1:
            return taken[0][0], behind
        counts = [len(rows) for rows, _ in taken]
        if counts and (min(counts) < share if self._drop_remainder else not any(counts)):
            return RowPlan.empty(0), behind
        own = {shard: rows.padded(share) for shard, (rows, _) in zip(self._planners, taken, strict=True)}
        return concatenate([own.get(shard, RowPlan.empty(share)) for shard in range(self._shards)]), behind

    def here(self, rows: int) -> int:
        """How many of so many rows are of shards that are planned here."""
        return rows // self._shards * len(self._planners)

    def left(self, cursor: tuple[Any, ...]) -> int:
        """Rows behind a cursor, of the shards that are planned here; they have to end."""
        return sum(_rows_behind(planner, at) for planner, at in self._pairs(cursor))

    def stands_at(self, cursor: tuple[Any, ...], rows: int) -> bool:
        """Whether a cursor is behind so many rows, as far as its shards have them."""
        share, rest = divmod(rows, self._shards)
        return rest == 0 and all(
            planner.position(at) == share
            or (self._shards > 1 and planner.position(at) < share and not len(planner.take(at, 1)[0]))
            for planner, at in self._pairs(cursor)
        )

    def encode(self, cursor: tuple[Any, ...]) -> ShardedAt:
        """The integers of each shard by component path, and None for shards that are not planned here."""
        encoded = {
            shard: planner.encode(at) for (shard, planner), at in zip(self._planners.items(), cursor, strict=True)
        }
        return {
            path: tuple(encoded[shard][path] if shard in encoded else None for shard in range(self._shards))
            for path in self._paths
        }

    def decode(self, saved: Callable[[int], Saved]) -> tuple[Any, ...]:
        """The cursor of a state, of which each shard is given its own part; see ``RowPlanner.decode``."""
        return tuple(planner.decode(self._in_shard(saved(shard))) for shard, planner in self._planners.items())

    def counts(self, cursor: tuple[Any, ...]) -> dict[str, Counts]:
        """What each component has delivered, of the shards planned here; shares are those of the first of them."""
        total: dict[str, Counts] = {}
        for planner, at in self._pairs(cursor):
            for path, counts in planner.counts(at).items():
                total[path] = total[path].plus(counts) if path in total else counts
        return total

    def extent(self, cursor: tuple[Any, ...]) -> Extent | None:
        """How much of the documents lies in front of the cursor; None where they are endless."""
        extents = [planner.extent(at) for planner, at in self._pairs(cursor)]
        finite = [extent for extent in extents if extent is not None]
        if not finite:
            return None
        return Extent(sum(extent.done for extent in finite), sum(extent.total for extent in finite))

    def _pairs(self, cursor: tuple[Any, ...]) -> list[tuple[RowPlanner[Any], Any]]:
        return list(zip(self._planners.values(), cursor, strict=True))

    def _in_shard(self, saved: Saved) -> Saved:
        """What a state says, in rows of one shard."""
        return replace(
            saved,
            rows=saved.rows // self._shards,
            rows_before=self._rows_of_a_shard(saved.rows_before),
            rows_now=self._rows_of_a_shard(saved.rows_now),
        )

    def _rows_of_a_shard(self, first_row: Callable[[int], int]) -> Callable[[int], int]:
        return lambda step: first_row(step) // self._shards


def _rows_behind(planner: RowPlanner[Any], at: Any) -> int:
    total = 0
    while rows := len((taken := planner.take(at, _ROWS_AT_ONCE))[0]):
        total, at = total + rows, taken[1]
    return total

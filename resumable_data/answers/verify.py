"""``verify``: plans a run again from its start, and checks the promises of the library."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from resumable_data.answers.checkpoints import SavedState
from resumable_data.answers.components import record_count, source_records
from resumable_data.answers.replay import Replay
from resumable_data.arguments import as_bool
from resumable_data.arrays import Int64Array
from resumable_data.digest import Json, content_digest, digest
from resumable_data.errors import PipelineMismatchError
from resumable_data.order.epoch_sizes import EpochSizes
from resumable_data.packing.plan import NO_EPOCH, RowPlan
from resumable_data.stages.batch import Batch
from resumable_data.stages.component import Component, components_of
from resumable_data.table import Shown

_MOST_RECORDS = 2**28
"""In larger components it does not check that each record comes once: each would need more than 2 GiB."""


@dataclass(frozen=True)
class Verified(Shown):
    """The result of checking a run. It prints as lines.

    Attributes:
        first: The first step that was planned again.
        last: The step of the state. The steps before it, from ``first`` on, were planned again.
        rows: Rows in these steps.
        tokens: Tokens in these steps, without padding.
        complete: By component path, the number of epochs seen whole: each record exactly once and in full.
        unchecked: Components whose records were not counted: without random access, or with too many records.
        content: A chained digest of every cell of these batches; None if it was not asked for. Every machine that
            reads the same cells has the same digest.
    """

    first: int
    last: int
    rows: int
    tokens: int
    complete: Mapping[str, int]
    unchecked: tuple[str, ...]
    content: str | None = None

    def to_json(self) -> dict[str, Json]:
        """Returns the same as JSON values; keys are the attributes."""
        return {
            "first": self.first,
            "last": self.last,
            "rows": self.rows,
            "tokens": self.tokens,
            "complete": dict(self.complete),
            "unchecked": list(self.unchecked),
            "content": self.content,
        }

    def __str__(self) -> str:
        lines = [
            f"steps {self.first} to {self.last - 1}: {self.rows:,} rows, {self.tokens:,} tokens, as the state says"
            if self.last > self.first
            else f"step {self.last}: nothing was delivered"
        ]
        lines += [
            f"{path}: {epochs} whole epochs, each record once and in full" for path, epochs in self.complete.items()
        ]
        lines += [f"{path}: not checked, whether each record comes once" for path in self.unchecked]
        lines += [] if self.content is None else [f"content: {self.content}"]
        return "\n".join(lines)


def verify(
    batch: Batch,
    state: SavedState,
    since: SavedState | None = None,
    allow: Collection[str] = (),
    content: bool = False,
    progress: bool = True,
) -> Verified:
    """Plans a run again and checks it against its state; see ``BatchDataset.verify``."""
    content = as_bool("verify: content", content)
    with Replay("verify", batch, state, allow, progress) as replay, replay.bar(replay.place.step) as bar:
        last, found, rows, tokens, steps = replay.place.step, "", 0, 0, 0
        of_content = "" if content else None
        skips = any(edit.kind == "skip" for edit in replay.place.edits)
        components = {replay.numbers[path]: (path, one) for path, one in components_of(batch.parent).items()}
        once = [
            _Once(path, one, number, EpochSizes(one.source.epoch_size, replay.growth_of(path)), skips)
            for number, (path, one) in components.items()
            if _is_checked(one) and since is None
        ]
        for plan, place in replay.delivered(since):
            bar.update()
            found, steps = place.digests.delivered, steps + 1
            rows, tokens = rows + len(plan.rows), tokens + int(plan.rows.length.sum())
            for counted in once:
                counted.add(plan.rows)
            if of_content is not None:
                of_content = digest(of_content, content_digest(dict(replay.read(plan))))
        expected = replay.place.digests.delivered
    first = last - steps if since is not None else 0
    if since is None and steps < last:
        raise PipelineMismatchError(f"verify: the run ends after {steps} batches, but the state is of step {last}")
    if steps and found != expected:
        raise PipelineMismatchError(
            f"verify: the batches before step {last} have the digest {found}, but the state says {expected}: the run "
            "delivered other batches than this pipeline plans. Verify earlier states of the run to find the first",
            ("the batches delivered",),
        )
    unchecked = tuple(sorted({path for path, _ in components.values()} - {counted.path for counted in once}))
    complete = {counted.path: counted.complete() for counted in sorted(once, key=lambda counted: counted.path)}
    return Verified(first, last, rows, tokens, complete, unchecked, of_content)


def _is_checked(component: Component) -> bool:
    count = record_count(component)
    return count is not None and count <= _MOST_RECORDS


@dataclass
class _Once:
    """A count of the tokens of each record of a component, in the epochs in progress.

    Attributes:
        path: The path of the component.
        component: The component.
        number: The number of its reader.
        sizes: The records of its source in each epoch.
        skips: Whether batches were skipped, so that records may be missing.
        counted: By epoch, int64[n_records]: the tokens of each record so far.
        whole: By epoch, int64[n_records]: the length of each record; -1 if it has not come.
        done: The number of ended epochs that were seen whole.
    """

    path: str
    component: Component
    number: int
    sizes: EpochSizes
    skips: bool
    counted: dict[int, Int64Array] = field(default_factory=dict[int, Int64Array])
    whole: dict[int, Int64Array] = field(default_factory=dict[int, Int64Array])
    done: int = 0

    def add(self, plan: RowPlan) -> None:
        """Adds the spans of a batch.

        Raises:
            PipelineMismatchError: A record comes twice in an epoch.
        """
        own = plan.reader == self.number
        if plan.epoch is None or not own.any():
            return
        records = source_records(self.component, plan.record[own])
        epochs, lengths, wholes = plan.epoch[own], plan.length[own], plan.document_length[own]
        for epoch in np.unique(epochs[epochs != NO_EPOCH]).tolist():
            of_epoch = epochs == epoch
            if epoch not in self.counted:
                count = self.sizes.of(epoch)
                self.counted[epoch], self.whole[epoch] = np.zeros(count, np.int64), np.full(count, -1)
            tokens, whole = self.counted[epoch], self.whole[epoch]
            np.add.at(tokens, records[of_epoch], lengths[of_epoch])
            whole[records[of_epoch]] = wholes[of_epoch]
            twice = np.flatnonzero((whole >= 0) & (tokens > whole))
            if len(twice):
                raise PipelineMismatchError(
                    f"verify: component {self.path!r}: record {twice[0]} comes twice in epoch {epoch}"
                )
        for epoch in sorted(self.counted)[:-2]:
            self._close(epoch)

    def complete(self) -> int:
        """Ends the count, and returns the number of whole epochs. The last counts if each of its records came.

        Raises:
            PipelineMismatchError: A record did not come in full.
        """
        for epoch in sorted(self.counted)[:-1]:
            self._close(epoch)
        return self.done + sum(bool((self.counted[epoch] == self.whole[epoch]).all()) for epoch in self.counted)

    def _close(self, epoch: int) -> None:
        tokens, whole = self.counted.pop(epoch), self.whole.pop(epoch)
        short = np.flatnonzero((whole >= 0) & (tokens < whole))
        if len(short) and not self.skips:
            raise PipelineMismatchError(
                f"verify: component {self.path!r}: epoch {epoch} has only {tokens[short[0]]} of "
                f"{whole[short[0]]} tokens of record {short[0]}"
            )
        # Without skips, only a filter can leave a record out.
        self.done += len(short) == 0 and not (self.skips and bool((whole < 0).any()))

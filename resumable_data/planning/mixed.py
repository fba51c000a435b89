"""Planners of mixes: documents, or rows, drawn in blocks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Generic

from resumable_data.arrays import Int64Array
from resumable_data.opaque import Cursor
from resumable_data.packing.plan import DocumentPlan, RowPlan, concatenate, concatenate_documents
from resumable_data.planning.mixer import Drawn, MixCursor, Mixer, PlanT
from resumable_data.planning.planner import MOST_DROPPED, Counts, DocumentPlanner, Extent, RowPlanner, Saved
from resumable_data.state import At

_DOCUMENTS_AT_ONCE = 8192
_ROWS_AT_ONCE = 1024
_KEPT_BLOCKS = 2


@dataclass(frozen=True)
class BlockCursor:
    """A position in a mix: a number of samples after the cursor of a block of samples drawn together."""

    anchor: MixCursor
    samples: int


class Blocks(Generic[PlanT]):
    """A mix drawn in blocks, so that each component is asked for many samples at a time.

    Blocks are kept only for speed: they follow from the cursor.

    Args:
        mixer: What draws the samples.
        size: Number of samples a block.
    """

    def __init__(self, mixer: Mixer[PlanT], size: int) -> None:
        self.mixer = mixer
        self._size = size
        self._blocks: OrderedDict[int, tuple[MixCursor, Drawn[PlanT]]] = OrderedDict()
        self._latest: tuple[Drawn[PlanT], int, MixCursor] | None = None
        self._lock = Lock()

    def start(self) -> BlockCursor:
        """The cursor before the first sample."""
        return BlockCursor(self.mixer.start(), 0)

    def position(self, cursor: BlockCursor) -> int:
        """Samples before the cursor."""
        return cursor.anchor.place + cursor.samples

    def finished(self, cursor: BlockCursor) -> bool:
        """Whether the stop policy would have ended the mix."""
        return self.mixer.finished(self.exact(cursor))

    def extent(self, cursor: BlockCursor) -> Extent | None:
        """How far the mix is."""
        return self.mixer.extent(self.exact(cursor))

    def encode(self, cursor: BlockCursor) -> dict[str, At]:
        """The mix's integers and the components'."""
        return self.mixer.encode(self.exact(cursor))

    def slices(self, cursor: BlockCursor, count: int) -> tuple[list[tuple[PlanT, int, int]], BlockCursor]:
        """The next ``count`` samples as stretches of blocks, and the cursor after them."""
        stretches: list[tuple[PlanT, int, int]] = []
        while count:
            block = self._block(cursor.anchor)
            if not len(block.components):
                break
            stop = min(cursor.samples + count, len(block.components))
            stretches.append((block.plan, cursor.samples, stop))
            count -= stop - cursor.samples
            cursor = BlockCursor(cursor.anchor, stop)
            if stop == len(block.components):
                cursor = BlockCursor(block.after, 0)
        return stretches, cursor

    def exact(self, cursor: BlockCursor) -> MixCursor:
        """The mix's own cursor, with the components after just the samples delivered."""
        if not cursor.samples:
            return cursor.anchor
        block = self._block(cursor.anchor)
        start, samples = block.start, 0
        # Most often the cursor asked for lies just after the one asked for before.
        if self._latest is not None and self._latest[0] is block and self._latest[1] <= cursor.samples:
            _, samples, start = self._latest
        exact = self.mixer.after(start, block.components[samples : cursor.samples])
        self._latest = block, cursor.samples, exact
        return exact

    def _block(self, anchor: MixCursor) -> Drawn[PlanT]:
        with self._lock:
            found = self._blocks.get(id(anchor))
        if found is None:
            # The anchor is kept with its block, so that its identity stays its own.
            found = anchor, self.mixer.draw(anchor, self._size)
            with self._lock:
                self._blocks[id(anchor)] = found
                while len(self._blocks) > _KEPT_BLOCKS:
                    self._blocks.popitem(last=False)
        return found[1]


class MixedDocuments(Blocks[DocumentPlan], DocumentPlanner[BlockCursor]):
    """Plans documents of a mix; epochs have no meaning after it."""

    def __init__(self, mixer: Mixer[DocumentPlan]) -> None:
        super().__init__(mixer, _DOCUMENTS_AT_ONCE)

    @property
    def components(self) -> Mapping[int, str]:
        """The components of all children."""
        children: Sequence[DocumentPlanner[Cursor]] = self.mixer.children
        return {reader: path for child in children for reader, path in child.components.items()}

    @property
    def most_dropped(self) -> int:
        """Ten million."""
        return MOST_DROPPED

    def epoch(self, cursor: BlockCursor) -> int | None:
        """None."""
        return None

    @property
    def dropping(self) -> Collection[int]:
        """Those of all children."""
        children: Sequence[DocumentPlanner[Cursor]] = self.mixer.children
        return [reader for child in children for reader in child.dropping]

    def take(self, cursor: BlockCursor, count: int) -> tuple[DocumentPlan, BlockCursor]:
        """The next ``count`` documents, or what is left, and the cursor after them."""
        stretches, after = self.slices(cursor, count)
        plans = [plan.slice(start, stop) for plan, start, stop in stretches]
        return concatenate_documents(plans), after

    def counts(self, cursor: BlockCursor) -> dict[str, Counts]:
        """Returns what each component has delivered."""
        return self.mixer.counts(self.exact(cursor), lambda child, at: child.counts(at))

    def renewed(self, cursor: BlockCursor) -> BlockCursor:
        """The cursor with changed weights in force, in mixes within this one too."""
        children = tuple(
            child.renewed(at) for child, at in zip(self.mixer.children, cursor.anchor.children, strict=True)
        )
        within = any(new is not old for new, old in zip(children, cursor.anchor.children, strict=True))
        if not within and not self.mixer.waits(cursor.anchor):
            return cursor
        exact = self.mixer.renewed(self.exact(cursor))
        children = tuple(child.renewed(at) for child, at in zip(self.mixer.children, exact.children, strict=True))
        return BlockCursor(replace(exact, children=children), 0)

    def continues(self, after: BlockCursor, saved: Saved) -> bool:
        """Whether no component whose epochs changed ended before the cursor."""
        cursors = self.exact(after).children
        return all(child.continues(at, saved) for child, at in zip(self.mixer.children, cursors, strict=True))

    def decode(self, saved: Saved) -> BlockCursor:
        """The cursor of these integers; changed weights wait for the next group."""
        return BlockCursor(self.mixer.decode(saved), 0)


class MixedRows(Blocks[RowPlan], RowPlanner[BlockCursor]):
    """Plans rows of a mix."""

    def __init__(self, mixer: Mixer[RowPlan]) -> None:
        super().__init__(mixer, _ROWS_AT_ONCE)

    def take(self, cursor: BlockCursor, count: int) -> tuple[RowPlan, BlockCursor]:
        """The next ``count`` rows, or what is left, and the cursor after them."""
        stretches, after = self.slices(cursor, count)
        plans = [plan.slice(start, stop) for plan, start, stop in stretches]
        return (concatenate(plans) if plans else RowPlan.empty(0)), after

    def counts(self, cursor: BlockCursor, *, ended: bool) -> dict[str, Counts]:
        """Returns what each component has delivered."""
        return self.mixer.counts(self.exact(cursor), lambda child, at: child.counts(at, ended=ended))

    def epoch(self, cursor: BlockCursor) -> int | None:
        """Returns None: the epochs of components end at different places."""
        return None

    def epoch_begun(self, cursor: BlockCursor) -> int | None:
        """Returns None, for the same reason."""
        return None

    def decode(self, saved: Saved) -> BlockCursor:
        """The cursor of these integers, with changed weights in force at once."""
        return BlockCursor(self.mixer.renewed(self.mixer.decode(saved)), 0)


def join_documents(plans: Sequence[DocumentPlan], order: Int64Array) -> DocumentPlan:
    """Joins the documents of several plans in a given order."""
    return concatenate_documents(plans).take(order)


def join_rows(plans: Sequence[RowPlan], order: Int64Array) -> RowPlan:
    """Joins the rows of several plans in a given order."""
    return concatenate([*plans, RowPlan.empty(0)]).take(order)

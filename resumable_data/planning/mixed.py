"""Planners of mixes: documents, or rows, drawn in blocks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any, Generic

from typing_extensions import override

from resumable_data.arrays import Int64Array
from resumable_data.opaque import Cursor
from resumable_data.packing.plan import DocumentPlan, RowPlan, concatenate, concatenate_documents
from resumable_data.planning.mixer import Drawn, MixCursor, Mixer, PlanT
from resumable_data.planning.planner import MOST_DROPPED, Counts, DocumentPlanner, Extent, RowPlanner, Saved
from resumable_data.state import At

_DOCUMENTS_AT_ONCE = 8192
_DOCUMENTS_AT_FIRST = 256
_ROWS_AT_ONCE = 1024
_ROWS_AT_FIRST = 64
_KEPT_BLOCKS = 2


@dataclass(frozen=True)
class BlockCursor:
    """A place in a mix: some samples after ``anchor``, where a block begins. A block is drawn at once.

    Attributes:
        anchor: The place where the block begins.
        samples: Samples of the block before this place.
        blocks: Blocks before this one, since the start or the state from which this iterator began.
        block: The block, if there are samples of it before this place. It is kept, so that who asks for the state of
            this place need not draw it again.
    """

    anchor: MixCursor
    samples: int
    blocks: int = 0
    block: Drawn[Any] | None = field(default=None, compare=False, repr=False)


class Blocks(Generic[PlanT]):
    """A mix that is drawn in blocks, so that each component plans many samples at a time.

    Blocks are kept only for speed; they follow from the cursor.

    Args:
        mixer: Draws the samples.
        size: Samples a block, at most.
        first: Samples of the first block, if fewer, so that the first samples come sooner. Each later block has twice
            as many.
    """

    def __init__(self, mixer: Mixer[PlanT], size: int, first: int | None = None) -> None:
        self.mixer = mixer
        self._size = size
        self._first = size if first is None else first
        self._blocks: OrderedDict[int, tuple[MixCursor, Drawn[PlanT]]] = OrderedDict()
        self._latest: tuple[Drawn[PlanT], int, MixCursor] | None = None
        self._lock = Lock()

    def start(self) -> BlockCursor:
        """Returns the cursor before the first sample."""
        return BlockCursor(self.mixer.start(), 0)

    def position(self, cursor: BlockCursor) -> int:
        """Returns the number of samples before the cursor."""
        return cursor.anchor.place + cursor.samples

    def finished(self, cursor: BlockCursor) -> bool:
        """Tells whether the stop policy would have ended the mix."""
        return self.mixer.finished(self.exact(cursor))

    def extent(self, cursor: BlockCursor) -> Extent | None:
        """Returns how far the mix is."""
        return self.mixer.extent(self.exact(cursor))

    def next_epochs(self, cursor: BlockCursor) -> dict[str, int | None]:
        """Returns, by component path, the first epoch that lies whole after the cursor; None if there is none."""
        return self.mixer.next_epochs(self.exact(cursor))

    def encode(self, cursor: BlockCursor) -> dict[str, At]:
        """Returns the mix's integers and the components'."""
        return self.mixer.encode(self.exact(cursor))

    def slices(self, cursor: BlockCursor, count: int) -> tuple[list[tuple[PlanT, int, int]], BlockCursor]:
        """Returns the next ``count`` samples as stretches of blocks, and the cursor after them."""
        stretches: list[tuple[PlanT, int, int]] = []
        while count:
            block = self._block(cursor)
            if not len(block.components):
                break
            stop = min(cursor.samples + count, len(block.components))
            stretches.append((block.plan, cursor.samples, stop))
            count -= stop - cursor.samples
            cursor = replace(cursor, samples=stop, block=block)
            if stop == len(block.components):
                cursor = BlockCursor(block.after, 0, cursor.blocks + 1)
        return stretches, cursor

    def exact(self, cursor: BlockCursor) -> MixCursor:
        """Returns the mix's own cursor, with the components exactly after the delivered samples."""
        if not cursor.samples:
            return cursor.anchor
        block = self._block(cursor)
        start, samples = block.start, 0
        # Usually this cursor comes directly after that of the last call.
        if self._latest is not None and self._latest[0] is block and self._latest[1] <= cursor.samples:
            _, samples, start = self._latest
        exact = self.mixer.after(start, block.components[samples : cursor.samples])
        self._latest = block, cursor.samples, exact
        return exact

    def _block(self, cursor: BlockCursor) -> Drawn[PlanT]:
        if cursor.block is not None:
            return cursor.block
        anchor = cursor.anchor
        with self._lock:
            found = self._blocks.get(id(anchor))
        if found is None:
            # The anchor is kept with its block, so that its identity stays its own.
            found = anchor, self.mixer.draw(anchor, min(self._first << min(cursor.blocks, 16), self._size))
            with self._lock:
                self._blocks[id(anchor)] = found
                while len(self._blocks) > _KEPT_BLOCKS:
                    self._blocks.popitem(last=False)
        return found[1]


class MixedDocuments(Blocks[DocumentPlan], DocumentPlanner[BlockCursor]):
    """Plans documents of a mix; epochs have no meaning after it."""

    def __init__(self, mixer: Mixer[DocumentPlan]) -> None:
        super().__init__(mixer, _DOCUMENTS_AT_ONCE, _DOCUMENTS_AT_FIRST)

    @property
    @override
    def components(self) -> Mapping[int, str]:
        children: Sequence[DocumentPlanner[Cursor]] = self.mixer.children
        return {reader: path for child in children for reader, path in child.components.items()}

    @property
    @override
    def most_dropped(self) -> int:
        return MOST_DROPPED

    @override
    def epoch(self, cursor: BlockCursor) -> int | None:
        return None

    @property
    @override
    def dropping(self) -> Collection[int]:
        children: Sequence[DocumentPlanner[Cursor]] = self.mixer.children
        return [reader for child in children for reader in child.dropping]

    @override
    def take(self, cursor: BlockCursor, count: int) -> tuple[DocumentPlan, BlockCursor]:
        stretches, after = self.slices(cursor, count)
        plans = [plan.slice(start, stop) for plan, start, stop in stretches]
        return concatenate_documents(plans), after

    @override
    def counts(self, cursor: BlockCursor) -> dict[str, Counts]:
        return self.mixer.counts(self.exact(cursor), lambda child, at: child.counts(at))

    @override
    def renewed(self, cursor: BlockCursor) -> BlockCursor:
        children = tuple(
            child.renewed(at) for child, at in zip(self.mixer.children, cursor.anchor.children, strict=True)
        )
        within = any(new is not old for new, old in zip(children, cursor.anchor.children, strict=True))
        if not within and not self.mixer.waits(cursor.anchor):
            return cursor
        exact = self.mixer.renewed(self.exact(cursor))
        children = tuple(child.renewed(at) for child, at in zip(self.mixer.children, exact.children, strict=True))
        return BlockCursor(replace(exact, children=children), 0)

    @override
    def continues(self, after: BlockCursor, saved: Saved) -> bool:
        cursors = self.exact(after).children
        return all(child.continues(at, saved) for child, at in zip(self.mixer.children, cursors, strict=True))

    @override
    def decode(self, saved: Saved) -> BlockCursor:
        return BlockCursor(self.mixer.decode(saved), 0)


class MixedRows(Blocks[RowPlan], RowPlanner[BlockCursor]):
    """Plans rows of a mix."""

    def __init__(self, mixer: Mixer[RowPlan]) -> None:
        super().__init__(mixer, _ROWS_AT_ONCE, _ROWS_AT_FIRST)

    @override
    def take(self, cursor: BlockCursor, count: int) -> tuple[RowPlan, BlockCursor]:
        stretches, after = self.slices(cursor, count)
        plans = [plan.slice(start, stop) for plan, start, stop in stretches]
        return (concatenate(plans) if plans else RowPlan.empty(0)), after

    @override
    def counts(self, cursor: BlockCursor, *, ended: bool) -> dict[str, Counts]:
        return self.mixer.counts(self.exact(cursor), lambda child, at: child.counts(at, ended=ended))

    @override
    def epoch(self, cursor: BlockCursor) -> int | None:
        return None

    @override
    def epoch_begun(self, cursor: BlockCursor) -> int | None:
        return None

    @override
    def decode(self, saved: Saved) -> BlockCursor:
        return BlockCursor(self.mixer.renewed(self.mixer.decode(saved)), 0)


def join_documents(plans: Sequence[DocumentPlan], order: Int64Array) -> DocumentPlan:
    """Joins the documents of several plans in a given order."""
    return concatenate_documents(plans).take(order)


def join_rows(plans: Sequence[RowPlan], order: Int64Array) -> RowPlan:
    """Joins the rows of several plans in a given order."""
    return concatenate([*plans, RowPlan.empty(0)]).take(order)

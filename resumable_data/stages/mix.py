"""The mix stage: documents, or rows, of several components in proportion."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import numpy as np

from resumable_data.arrays import Int64Array
from resumable_data.errors import PipelineError
from resumable_data.order import mixture
from resumable_data.packing.plan import DocumentPlan, RowPlan, concatenate, concatenate_documents
from resumable_data.stages.mixer import Drawn, MixCursor, Mixer
from resumable_data.stages.stage import (
    At,
    Counts,
    DocumentPlanner,
    DocumentStage,
    Extent,
    Opening,
    RowFormat,
    RowStage,
    Saved,
)
from resumable_data.stages.weights import WeightSchedule
from resumable_data.state import Settings

STOPS = ("first_exhausted", "all_exhausted", "renormalise")

_ROWS_AT_ONCE = 1024
_KEPT_BLOCKS = 2


@dataclass(frozen=True)
class MixSettings:
    """What mixes of documents and of rows have in common.

    Attributes:
        names: The components, sorted.
        weights: Their weights.
        stop: What happens when a component is exhausted: ``"first_exhausted"`` ends the mix,
            ``"all_exhausted"`` ends it when every component has been, others repeating meanwhile,
            ``"renormalise"`` goes on with the others.
    """

    names: tuple[str, ...]
    weights: WeightSchedule
    stop: str

    def __post_init__(self) -> None:
        if not self.names:
            raise PipelineError("mix: there are no components")
        if self.stop not in STOPS:
            raise PipelineError(f"mix: stop={self.stop!r}; there are {', '.join(map(repr, STOPS))}")
        for name in self.names:
            if not name or "/" in name or "*" in name:
                raise PipelineError(f"mix: a component is called {name!r}; names are not empty, without / and *")
        for _, weights in self.weights.points:
            mixture.exact_weights(dict(weights), self.names)

    def settings(self) -> Settings:
        """Weights and stop policy."""
        return {"weights": self.weights.to_json(), "stop": self.stop}

    def open(
        self,
        stage: MixDocuments | MixRows,
        opening: Opening,
        path: str,
        join: Callable[[Sequence[Any], Int64Array], Any],
    ) -> Mixer[Any]:
        """Opens the components, and the mixer that draws from them."""
        first_row, endless = opening.first_row, opening.endless
        if first_row is None and len(self.weights.points) > 1:
            raise PipelineError("mix: weights change with the batch step, which only the outermost mix of rows knows")
        opening.first_row, opening.endless = None, endless or self.stop == "all_exhausted"
        prefix = path.removesuffix("*")
        children: list[Any] = []
        for name, parent in zip(self.names, stage.parents, strict=True):
            suffix = "/*" if isinstance(parent, MixDocuments | MixRows) else ""
            children.append(parent.open(opening, f"{prefix}{name}{suffix}"))
        opening.first_row, opening.endless = first_row, endless
        opening.algorithms["mix"] = mixture.VERSION
        group = path.removesuffix("*").removesuffix("/")
        name = f"mix {group}" if group else "mix"
        opening.describe(path, NamedSettings(name, self.settings()))
        to_samples = first_row if first_row is not None else int
        return Mixer(
            path, name, self.names, children, self.weights, to_samples, self.stop, endless=endless, join=join
        )


@dataclass(frozen=True)
class NamedSettings:
    """A stage's entry in the description, under a name of its own."""

    name: str
    given: Settings

    def settings(self) -> Settings:
        """The settings."""
        return self.given


@dataclass(frozen=True)
class MixDocuments:
    """Documents of several components.

    Attributes:
        parents: Their documents, in the order of the names.
        mix: Names, weights and stop policy.
    """

    parents: tuple[DocumentStage, ...]
    mix: MixSettings

    @property
    def name(self) -> str:
        """The stage's name."""
        return "mix"

    def settings(self) -> Settings:
        """Weights and stop policy."""
        return self.mix.settings()

    @property
    def component(self) -> str:
        """The path of the outermost mix."""
        return "*"

    @property
    def lengths_known(self) -> bool:
        """Whether those of every component are."""
        return all(parent.lengths_known for parent in self.parents)

    @property
    def shuffle_seed(self) -> int | None:
        """The first component's seed, if all are shuffled."""
        seeds = [parent.shuffle_seed for parent in self.parents]
        return None if None in seeds else seeds[0]

    def open(self, opening: Opening, path: str) -> MixedDocuments:
        """The planner of this mix."""
        first_row, opening.first_row = opening.first_row, int
        mixer = self.mix.open(self, opening, path, _join_documents)
        opening.first_row = first_row
        return MixedDocuments(mixer)


@dataclass(frozen=True)
class MixRows:
    """Rows of several components.

    Attributes:
        parents: Their rows, in the order of the names.
        mix: Names, weights and stop policy.
    """

    parents: tuple[RowStage, ...]
    mix: MixSettings

    def __post_init__(self) -> None:
        formats = {parent.format for parent in self.parents}
        if len(formats) > 1:
            raise PipelineError(f"mix: components have rows of different formats: {sorted(map(str, formats))}")

    @property
    def name(self) -> str:
        """The stage's name."""
        return "mix"

    def settings(self) -> Settings:
        """Weights and stop policy."""
        return self.mix.settings()

    @property
    def component(self) -> str:
        """The path of the outermost mix."""
        return "*"

    @property
    def one_document_a_row(self) -> bool:
        """False: a document's index says nothing without its component."""
        return False

    @property
    def format(self) -> RowFormat:
        """That of every component."""
        return self.parents[0].format

    def open(self, opening: Opening, path: str) -> MixedRows:
        """The planner of this mix."""
        return MixedRows(self.mix.open(self, opening, path, _join_rows))


class MixedDocuments:
    """Plans documents of a mix; epochs have no meaning behind it."""

    def __init__(self, mixer: Mixer[DocumentPlan]) -> None:
        self._mixer = mixer

    @property
    def epoch_size(self) -> int | None:
        """None."""
        return None

    @property
    def components(self) -> Mapping[int, str]:
        """The components of all children."""
        children: Sequence[DocumentPlanner[Any]] = self._mixer.children
        return {reader: path for child in children for reader, path in child.components.items()}

    def start(self) -> MixCursor:
        """The cursor in front of the first document."""
        return self._mixer.start()

    def position(self, cursor: MixCursor) -> int:
        """Documents drawn."""
        return cursor.place

    def take(self, cursor: MixCursor, count: int) -> tuple[DocumentPlan, MixCursor]:
        """The next ``count`` documents, or what is left, and the cursor behind them."""
        drawn = self._mixer.draw(cursor, count)
        plans = [drawn.plan]
        while (count := count - len(drawn.components)) and len(drawn.components):
            drawn = self._mixer.draw(drawn.behind, count)
            plans.append(drawn.plan)
        return concatenate_documents(plans), drawn.behind

    def renewed(self, cursor: MixCursor) -> MixCursor:
        """The cursor with changed weights in force, in mixes within this one too."""
        renewed = self._mixer.renewed(cursor)
        children = tuple(c.renewed(at) for c, at in zip(self._mixer.children, cursor.children, strict=True))
        return renewed if children == renewed.children else replace(renewed, children=children)

    def finished(self, cursor: MixCursor) -> bool:
        """Whether the stop policy would have ended the mix."""
        return self._mixer.finished(cursor)

    def extent(self, cursor: MixCursor) -> Extent | None:
        """How far the mix is."""
        return self._mixer.extent(cursor)

    def encode(self, cursor: MixCursor) -> dict[str, At]:
        """The mix's integers and the components'."""
        return self._mixer.encode(cursor)

    def decode(self, saved: Saved) -> MixCursor:
        """The cursor of these integers; changed weights wait for the next window."""
        return self._mixer.decode(saved)

    def counts(self, cursor: MixCursor) -> dict[str, Counts]:
        """Documents and epochs of each component."""
        return self._mixer.counts(cursor)


@dataclass(frozen=True)
class MixedRowsCursor:
    """Rows behind a cursor of the mix, which begins a block of rows that were planned together."""

    anchor: MixCursor
    rows: int


class MixedRows:
    """Plans rows of a mix, in blocks. Blocks are kept for speed alone; they follow from the cursor."""

    def __init__(self, mixer: Mixer[RowPlan]) -> None:
        self._mixer = mixer
        self._blocks: OrderedDict[int, tuple[MixCursor, Drawn[RowPlan]]] = OrderedDict()
        self._latest: tuple[Drawn[RowPlan], int, MixCursor] | None = None
        self._lock = Lock()

    def start(self) -> MixedRowsCursor:
        """The cursor in front of the first row."""
        return MixedRowsCursor(self._mixer.start(), 0)

    def take(self, cursor: MixedRowsCursor, count: int) -> tuple[RowPlan, MixedRowsCursor]:
        """The next ``count`` rows, or what is left, and the cursor behind them."""
        plans: list[RowPlan] = []
        while count:
            block = self._block(cursor.anchor)
            if not len(block.plan):
                break
            taken = block.plan.slice(cursor.rows, min(cursor.rows + count, len(block.plan)))
            plans.append(taken)
            count -= len(taken)
            cursor = MixedRowsCursor(cursor.anchor, cursor.rows + len(taken))
            if cursor.rows == len(block.plan):
                cursor = MixedRowsCursor(block.behind, 0)
        return (concatenate(plans) if plans else RowPlan.empty(0)), cursor

    def position(self, cursor: MixedRowsCursor) -> int:
        """Rows in front of the cursor."""
        return cursor.anchor.place + cursor.rows

    def finished(self, cursor: MixedRowsCursor) -> bool:
        """Whether the stop policy would have ended the mix."""
        return self._mixer.finished(self._exact(cursor))

    def extent(self, cursor: MixedRowsCursor) -> Extent | None:
        """How far the mix is."""
        return self._mixer.extent(self._exact(cursor))

    def encode(self, cursor: MixedRowsCursor) -> dict[str, At]:
        """The mix's integers and the components'."""
        return self._mixer.encode(self._exact(cursor))

    def decode(self, saved: Saved) -> MixedRowsCursor:
        """The cursor of these integers, with changed weights in force at once."""
        return MixedRowsCursor(self._mixer.renewed(self._mixer.decode(saved)), 0)

    def counts(self, cursor: MixedRowsCursor) -> dict[str, Counts]:
        """What each component has delivered."""
        return self._mixer.counts(self._exact(cursor))

    def _exact(self, cursor: MixedRowsCursor) -> MixCursor:
        """The mix's own cursor, the components behind just the rows delivered."""
        if not cursor.rows:
            return cursor.anchor
        block = self._block(cursor.anchor)
        start, rows = block.start, 0
        # Most often the cursor asked for lies just behind the one asked for before.
        if self._latest is not None and self._latest[0] is block and self._latest[1] <= cursor.rows:
            _, rows, start = self._latest
        exact = self._mixer.behind(start, block.components[rows : cursor.rows])
        self._latest = block, cursor.rows, exact
        return exact

    def _block(self, anchor: MixCursor) -> Drawn[RowPlan]:
        with self._lock:
            found = self._blocks.get(id(anchor))
        if found is None:
            # The anchor is kept with its block, so that its identity stays its own.
            found = anchor, self._mixer.draw(anchor, _ROWS_AT_ONCE)
            with self._lock:
                self._blocks[id(anchor)] = found
                while len(self._blocks) > _KEPT_BLOCKS:
                    self._blocks.popitem(last=False)
        return found[1]


def _join_documents(plans: Sequence[DocumentPlan], order: Int64Array) -> DocumentPlan:
    nothing = np.zeros(0, np.int64)
    return concatenate_documents([*plans, DocumentPlan(nothing, nothing, nothing)]).take(order)


def _join_rows(plans: Sequence[RowPlan], order: Int64Array) -> RowPlan:
    return concatenate([*plans, RowPlan.empty(0)]).take(order)

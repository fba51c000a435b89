"""Random pipelines with mixes: settings from which the package's pipeline and the oracle's are built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

import resumable_data as rd
from property_tests.testing.oracle.packing import STRATEGIES
from property_tests.testing.oracle.pipeline import Oracle
from property_tests.testing.strategies import Unmeasured

LENGTH = 6
SPACING = 1000
"""A token of a leaf is ``first * SPACING + record * 10 + place``, so it says where it comes from."""

Points = tuple[tuple[int, Mapping[str, float]], ...]


def not_two(document: Sequence[int]) -> bool:
    """Drops documents of two tokens."""
    return len(document) != 2


@dataclass(frozen=True)
class Leaf:
    """A component with a source. If it is mixed before packing, ``strategy`` and ``window`` have no effect.

    ``lengths_are`` is "known", "read" or, with a filter that drops documents, "filtered".
    """

    first: int
    lengths: tuple[int, ...]
    seed: int | None = None
    epochs: int | None = None
    strategy: str = "best_fit"
    window: int = 4
    lengths_are: str = "known"

    def records(self) -> list[list[int]]:
        base = self.first * SPACING
        return [[base + 10 * record + place for place in range(n)] for record, n in enumerate(self.lengths)]

    def documents(self) -> rd.Dataset[Any]:
        source: Any = rd.InMemorySource(self.records())
        data = rd.Dataset.from_source(source if self.lengths_are == "known" else Unmeasured(source))
        data = data.filter(not_two) if self.lengths_are == "filtered" else data
        data = data if self.seed is None else data.shuffle(self.seed)
        return data.repeat(self.epochs)

    def rows(self, length: int = LENGTH) -> rd.Dataset[Any]:
        return self.documents().pack(length, eod_id=0, strategy=self.strategy, window=self.window)

    def oracle(self, path: str, shards: int) -> Oracle:
        filtered = self.lengths_are == "filtered"
        return Oracle(
            self.records(),
            path,
            self.seed,
            strategy=self.strategy,
            window=self.window,
            length=LENGTH,
            shards=shards,
            known=self.lengths_are == "known",
            dropping=filtered,
            dropped=frozenset(record for record, n in enumerate(self.lengths) if n == 2 and filtered),
        )


@dataclass(frozen=True)
class Mixed:
    """A mix of components, or of mixes. ``points`` are its weights from each boundary on."""

    children: Mapping[str, Leaf | Mixed]
    points: Points
    between: str = "constant"
    stop: str = "first_exhausted"

    def dataset(self, of_rows: bool, length: int = LENGTH) -> rd.Dataset[Any]:
        components = {
            name: child.dataset(of_rows, length)
            if isinstance(child, Mixed)
            else child.rows(length)
            if of_rows
            else child.documents()
            for name, child in self.children.items()
        }
        return rd.mix(components, rd.WeightSchedule(dict(self.points), self.between), self.stop)


@dataclass(frozen=True)
class Run:
    """A whole pipeline. ``level`` is what is mixed: "rows", "documents" that are then packed, or documents alone."""

    root: Mixed
    level: str = "rows"
    sizes: tuple[tuple[int, int], ...] = ((0, 2),)
    drop_remainder: bool = True
    strategy: str = "best_fit"
    window: int = 5
    shards: int | None = None
    length: int = LENGTH

    def dataset(self, process: tuple[int, int] | None = None, prefetch: int | None = None) -> rd.Dataset[Any]:
        data = self.root.dataset(self.level == "rows", self.length)
        if self.level == "documents":
            data = data.pack(self.length, eod_id=0, strategy=self.strategy, window=self.window)
        if self.level != "bare":
            schedule = rd.BatchSchedule.from_sizes(self.sizes)
            data = data.batch(schedule, shards=self.shards, drop_remainder=self.drop_remainder)
        if process is not None:
            data = data.shard(*process)
        return data if prefetch is None else data.prefetch(prefetch)

    def size(self, step: int) -> int:
        return [size for boundary, size in self.sizes if boundary <= step][-1]

    @property
    def known(self) -> bool:
        """Says whether all lengths are known."""
        return all(leaf.lengths_are == "known" for leaf in leaves(self.root))

    @property
    def dropping(self) -> bool:
        """Says whether documents may be left out."""
        return any(leaf.lengths_are == "filtered" for leaf in leaves(self.root))


def leaves(mix: Mixed) -> list[Leaf]:
    """Returns all components with a source, also those of nested mixes."""
    children = [child for _, child in sorted(mix.children.items())]
    first = [[child] if isinstance(child, Leaf) else leaves(child) for child in children]
    return [leaf for several in first for leaf in several]


def with_epochs(run: Run, epochs: int | None) -> Run:
    """Returns the same run with another number of epochs of every component."""

    def changed(mix: Mixed) -> Mixed:
        children = {
            name: changed(child) if isinstance(child, Mixed) else replace(child, epochs=epochs)
            for name, child in mix.children.items()
        }
        return replace(mix, children=children)

    return replace(run, root=changed(run.root))


STOPS = ("first_exhausted", "all_exhausted", "renormalize")
NAMES = ("a", "b", "c", "d", "e", "f")
WEIGHTS = (0, 0.0003, 0.05, 1 / 3, 1, 2, 3, 7)


@st.composite
def runs(
    draw: st.DrawFn,
    levels: Sequence[str] = ("rows", "documents", "bare"),
    stops: Sequence[str] = STOPS,
    *,
    scheduled: bool = True,
    nested: bool = True,
    endless: bool = False,
) -> Run:
    """Draws a pipeline with a mix."""
    level = draw(st.sampled_from(list(levels)))
    factor = draw(st.sampled_from([1, 1, 2, 3, 4, 6, 8]))
    steps = [0, *sorted(draw(st.sets(st.integers(1, 8), max_size=2)))]
    return Run(
        root=draw(mixes(level, stops, 2 if nested else 1, scheduled=scheduled, endless=endless)),
        level=level,
        sizes=tuple((step, factor * draw(st.integers(1, 2))) for step in steps),
        drop_remainder=draw(st.booleans()),
        strategy=draw(st.sampled_from(STRATEGIES)),
        window=draw(st.integers(1, 12)),
        shards=draw(st.none() | st.integers(1, 6)),
    )


@st.composite
def mixes(draw: st.DrawFn, level: str, stops: Sequence[str], depth: int, *, scheduled: bool, endless: bool) -> Mixed:
    """Draws a mix. If components are exhausted, each has a weight, so that one can always go on."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique=True))
    stop = draw(st.sampled_from(list(stops)))
    children: dict[str, Leaf | Mixed] = {}
    for name in names:
        if depth > 1 and draw(st.integers(0, 4)) == 0:
            # Only the outermost mix of rows knows the step, with which its weights may change.
            inner = mixes(level, stops, depth - 1, scheduled=scheduled and level != "rows", endless=endless)
            children[name] = draw(inner)
        else:
            children[name] = draw(leaves_of(endless=endless))
    steps = [0, *sorted(draw(st.sets(st.integers(1, 12), max_size=2 if scheduled else 0)))]
    zeros = stop == "first_exhausted"
    points = tuple((step, draw(weights_of(names, zeros=zeros))) for step in steps)
    return Mixed(children, points, draw(st.sampled_from(["constant", "linear"])), stop)


@st.composite
def leaves_of(draw: st.DrawFn, *, endless: bool = False) -> Leaf:
    """Draws a component. Not all of its documents are left out."""
    count = draw(st.integers(3, 12))
    lengths = draw(st.lists(st.integers(1, 9), min_size=count, max_size=count))
    return Leaf(
        first=draw(st.integers(1, 50)),
        lengths=(*lengths[1:], 3) if set(lengths) == {2} else tuple(lengths),
        seed=draw(st.none() | st.integers(0, 3)),
        epochs=None if endless else draw(st.sampled_from([1, 2, 3, None])),
        strategy=draw(st.sampled_from(STRATEGIES)),
        window=draw(st.integers(1, 16)),
        lengths_are=draw(st.sampled_from(["known", "read", "filtered"])),
    )


@st.composite
def weights_of(draw: st.DrawFn, names: Sequence[str], *, zeros: bool = True) -> Mapping[str, float]:
    """Draws weights that are not all 0."""
    several = draw(st.lists(st.sampled_from(WEIGHTS[0 if zeros else 1 :]), min_size=len(names), max_size=len(names)))
    return dict(zip(names, several if any(several) else [1] * len(names), strict=True))

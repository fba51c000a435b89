"""A slow mix that says what the order must be: fractions, one sample at a time, and edits that just happen.

Packing, assembling and the keyed orders are those of ``oracle.py``; nothing of the package's mixing is used.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

import resumable_data as rd
from property_tests.testing.oracle import Document, Fields, Oracle, Row

UNIT = 2**40
NEVER = 2**62
LENGTH = 6
SPACING = 1000
"""A token of a leaf is ``first * SPACING + record * 10 + place``, so that it says where it comes from."""

Points = tuple[tuple[int, Mapping[str, float]], ...]


@dataclass(frozen=True)
class Leaf:
    """A component with a source; where it is mixed before packing, ``strategy`` and ``window`` say nothing."""

    first: int
    lengths: tuple[int, ...]
    seed: int | None = None
    epochs: int | None = None
    strategy: str = "best_fit"
    window: int = 4

    def records(self) -> list[list[int]]:
        base = self.first * SPACING
        return [[base + 10 * record + place for place in range(n)] for record, n in enumerate(self.lengths)]

    def documents(self) -> rd.Dataset[Any]:
        data = rd.Dataset.from_source(rd.InMemorySource(self.records()))
        data = data if self.seed is None else data.shuffle(self.seed)
        return data.repeat(self.epochs)

    def rows(self) -> rd.Dataset[Any]:
        return self.documents().pack(LENGTH, eod_id=0, strategy=self.strategy, window=self.window)

    def oracle(self, path: str) -> Oracle:
        return Oracle(
            self.records(), path, self.seed, strategy=self.strategy, window=self.window, length=LENGTH, eod_id=0
        )


@dataclass(frozen=True)
class Mixed:
    """A mix of components, or of mixes; ``points`` are its weights from each boundary on."""

    children: Mapping[str, Leaf | Mixed]
    points: Points
    between: str = "constant"
    stop: str = "first_exhausted"

    def dataset(self, of_rows: bool) -> rd.Dataset[Any]:
        components = {
            name: child.dataset(of_rows)
            if isinstance(child, Mixed)
            else child.rows()
            if of_rows
            else child.documents()
            for name, child in self.children.items()
        }
        return rd.mix(components, rd.WeightSchedule(dict(self.points), self.between), self.stop)


@dataclass(frozen=True)
class Run:
    """A whole pipeline. ``level`` is what is mixed: "rows", "documents" that are packed then, or the like bare."""

    root: Mixed
    level: str = "rows"
    sizes: tuple[tuple[int, int], ...] = ((0, 2),)
    drop_remainder: bool = True
    strategy: str = "best_fit"
    window: int = 5

    def dataset(self, process: tuple[int, int] | None = None, prefetch: int | None = None) -> rd.Dataset[Any]:
        data = self.root.dataset(self.level == "rows")
        if self.level == "documents":
            data = data.pack(LENGTH, eod_id=0, strategy=self.strategy, window=self.window)
        if self.level != "bare":
            data = data.batch(rd.BatchSchedule.from_sizes(self.sizes), drop_remainder=self.drop_remainder)
        if process is not None:
            data = data.shard(*process)
        return data if prefetch is None else data.prefetch(prefetch)

    def size(self, step: int) -> int:
        return [size for boundary, size in self.sizes if boundary <= step][-1]


class LeafFeed:
    """The samples of one component, documents or rows; its epochs may change while it runs."""

    def __init__(self, leaf: Leaf, path: str, of_rows: bool, endless: bool) -> None:
        self.leaf, self.of_rows, self.endless = leaf, of_rows, endless
        self.oracle = leaf.oracle(path)
        self.epoch = self.number = 0
        self.windows: deque[list[Document]] = deque()
        self.ready: deque[Any] = deque()

    def __next__(self) -> Any:
        while not self.ready:
            if not self.windows:
                self.begin_epoch()
            documents = self.windows.popleft()
            self.ready.extend(packed(self.oracle, documents, self.number) if self.of_rows else documents)
            self.number += 1
        return self.ready.popleft()

    def begin_epoch(self) -> None:
        left = NEVER if self.endless or self.leaf.epochs is None else self.leaf.epochs - self.epoch
        if left <= 0:
            raise StopIteration
        size, window = len(self.leaf.lengths), self.leaf.window
        several = min(left, window // size) if 2 * size <= window else 1
        documents = [document for e in range(several) for document in self.oracle._epoch(self.epoch + e)]
        count = -(-size // window) if several == 1 else 1
        self.windows.extend(documents[k * size // count : (k + 1) * size // count] for k in range(count - 1))
        self.windows.append(documents[(count - 1) * size // count :])
        self.epoch += several

    @property
    def finished(self) -> bool:
        if self.leaf.epochs is None:
            return False
        # Once exhausted, it stays so while it repeats and waits for the others.
        over = self.epoch == self.leaf.epochs and not self.ready and not self.windows
        return over or self.epoch > self.leaf.epochs

    def update(self, leaf: Leaf, to_samples: Callable[[int], int]) -> None:
        self.leaf = leaf

    def renew(self) -> None:
        pass


class MixFeed:
    """The samples of a mix: of the components whose release has come the earliest deadline, ties by name."""

    def __init__(self, mix: Mixed, path: str, of_rows: bool, endless: bool, to_samples: Callable[[int], int]) -> None:
        self.mix, self.path, self.of_rows, self.endless = mix, path, of_rows, endless
        self.children: dict[str, LeafFeed | MixFeed] = {}
        self.place = self.origin = 0
        self.counts: dict[str, int] = {}
        self.gone: set[str] = set()
        self.in_force = self.following = moved(mix, to_samples)
        self.add_children()

    def add_children(self) -> None:
        endless = self.endless or self.mix.stop == "all_exhausted"
        for name, child in self.mix.children.items():
            if name not in self.children:
                path = f"{self.path}{name}"
                self.children[name] = (
                    MixFeed(child, f"{path}/", self.of_rows, endless, int)
                    if isinstance(child, Mixed)
                    else LeafFeed(child, path, self.of_rows, endless)
                )

    def __next__(self) -> Any:
        while not self.ended():
            name = self.earliest()
            try:
                sample = next(self.children[name])
            except StopIteration:
                if self.mix.stop == "first_exhausted":
                    raise
                self.gone.add(name)
                self.origin, self.counts = self.place, {}
            else:
                self.counts[name] = self.counts.get(name, 0) + 1
                self.place += 1
                return sample
        raise StopIteration

    def ended(self) -> bool:
        last = self.in_force[0][-1][1]
        weighted = [name for name in self.children if last.get(name)]
        if self.endless or self.mix.stop == "first_exhausted":
            return False
        if self.mix.stop == "renormalise":
            return self.gone >= set(weighted)
        return all(self.children[name].finished for name in weighted)

    @property
    def finished(self) -> bool:
        done = [child.finished for child in self.children.values()]
        return any(done) if self.mix.stop == "first_exhausted" else all(done)

    def earliest(self) -> str:
        points, between = self.in_force
        left = [name for name in sorted(self.children) if name not in self.gone]
        exact = [(start, exact_weights({name: weights.get(name, 0) for name in left})) for start, weights in points]
        due: list[tuple[int, str]] = []
        for name in left:
            curve = [(start, weights[name]) for start, weights in exact]
            delivered = self.counts.get(name, 0)

            def target(place: int, curve: list[tuple[int, int]] = curve) -> Fraction:
                return area(curve, between, place) - area(curve, between, self.origin)

            if target(self.place + 1) > delivered:
                due.append(
                    (
                        first_place(self.place, lambda t, target=target, number=delivered + 1: target(t) >= number),
                        name,
                    )
                )
        return min(due)[1]

    def update(self, mix: Mixed, to_samples: Callable[[int], int]) -> None:
        """Another mix from now on; its weights wait until ``renew``."""
        self.mix, self.following = mix, moved(mix, to_samples)
        self.children = {name: child for name, child in self.children.items() if name in mix.children}
        for name, child in self.children.items():
            child.update(mix.children[name], int)
        self.gone &= set(self.children)
        self.add_children()

    def renew(self) -> None:
        if self.in_force != self.following:
            self.in_force, self.origin, self.counts = self.following, self.place, {}
        for child in self.children.values():
            child.renew()


class PackFeed:
    """Rows of windows of the documents of a mix. What has changed takes effect with the next window."""

    def __init__(self, documents: MixFeed, run: Run) -> None:
        self.documents, self.number = documents, 0
        self.ready: deque[Row] = deque()
        self.run = run

    def __next__(self) -> Row:
        while not self.ready:
            self.documents.renew()
            window: list[Document] = []
            try:
                while len(window) < self.run.window:
                    window.append(next(self.documents))
            except StopIteration:
                if not window:
                    raise
            seeds = [leaf.seed for leaf in leaves(self.run.root)]
            oracle = Oracle([], "*", None if None in seeds else 0, strategy=self.run.strategy, length=LENGTH)
            self.ready.extend(packed(oracle, window, self.number))
            self.number += 1
        return self.ready.popleft()


class OracleRun:
    """A run to which edits and skips happen."""

    def __init__(self, run: Run) -> None:
        self.run, self.step, self.rows = run, 0, 0
        self.mix = MixFeed(run.root, "", run.level == "rows", False, self.to_samples(0))
        self.feed: Any = PackFeed(self.mix, run) if run.level == "documents" else self.mix
        self.cells = Oracle([], length=LENGTH).cells

    def to_samples(self, shift: int) -> Callable[[int], int]:
        """From a boundary of the weights to the sample at which it is."""
        if self.run.level != "rows":
            return int
        return lambda boundary: shift + sum(self.run.size(step) for step in range(boundary))

    def edit(self, run: Run) -> None:
        sizes_before, self.run = self.run.sizes, run
        if run.sizes != sizes_before:
            self.shift = self.rows - sum(run.size(step) for step in range(self.step))
        self.mix.update(run.root, self.to_samples(getattr(self, "shift", 0)))
        if run.level == "documents":
            self.feed.run = run
        else:
            self.mix.renew()

    def next_rows(self) -> list[Row] | None:
        """The rows of the next batch; those that fill up the last one are empty."""
        size = self.run.size(self.step)
        rows: list[Row] = []
        try:
            while len(rows) < size:
                rows.append(next(self.feed))
        except StopIteration:
            if not rows or self.run.drop_remainder:
                return None
        self.step, self.rows = self.step + 1, self.rows + len(rows)
        return rows + [[] for _ in range(size - len(rows))]

    def take(self, count: int) -> list[Any]:
        """The next batches as their fields, or documents as their tokens."""
        if self.run.level == "bare":
            documents = (next(self.feed, None) for _ in range(count))
            return [document.tokens for document in documents if document]
        batches = (self.next_rows() for _ in range(count))
        return [self.fields(rows) for rows in batches if rows]

    def fields(self, rows: Sequence[Row]) -> Fields:
        of_rows = [self.cells(row) for row in rows]
        return {name: [fields[name] for fields in of_rows] for name in of_rows[0]}


def packed(oracle: Oracle, documents: list[Document], number: int) -> list[Row]:
    """The rows of one window, which is all that an oracle is told to have."""

    class OneWindow(Oracle):
        def _windows(self) -> Any:
            return iter([[]] * number + [documents])

    fields = {name: getattr(oracle, name) for name in Oracle.__dataclass_fields__}
    return list(OneWindow(**fields).rows())


def moved(mix: Mixed, to_samples: Callable[[int], int]) -> tuple[Points, str]:
    if len(mix.points) == 1:
        return mix.points, mix.between
    return tuple((to_samples(boundary), weights) for boundary, weights in mix.points), mix.between


def leaves(mix: Mixed) -> list[Leaf]:
    children = [child for _, child in sorted(mix.children.items())]
    first = [[child] if isinstance(child, Leaf) else leaves(child) for child in children]
    return [leaf for several in first for leaf in several]


def exact_weights(weights: Mapping[str, float]) -> dict[str, int]:
    """Integers that sum to 2**40, what is left over given to the largest remainders, ties by name."""
    total = sum(map(Fraction, weights.values()))
    shares = {name: Fraction(weight) * UNIT / total for name, weight in weights.items()}
    exact = {name: share.numerator // share.denominator for name, share in shares.items()}
    missing = UNIT - sum(exact.values())
    for name in sorted(exact, key=lambda name: (exact[name] - shares[name], name))[:missing]:
        exact[name] += 1
    return exact


def area(curve: list[tuple[int, int]], between: str, place: int) -> Fraction:
    """The samples asked of a component up to a place: the area below its weights."""
    total = Fraction(0)
    for (start, weight), (stop, towards) in pairwise([*curve, (NEVER, curve[-1][1])]):
        width = min(stop, place) - start
        if width > 0:
            slope = Fraction(towards - weight, stop - start) if between == "linear" else 0
            total += width * (weight + slope * width / 2)
    return total / UNIT


def first_place(start: int, holds: Callable[[int], bool]) -> int:
    """The first place from ``start`` on at which something holds that goes on to hold, or ``NEVER``."""
    reach = 1
    while not holds(start + reach):
        reach *= 2
        if reach >= NEVER:
            return NEVER
    low, high = start - 1, start + reach
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


STOPS = ("first_exhausted", "all_exhausted", "renormalise")
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
    """Any pipeline with a mix."""
    level = draw(st.sampled_from(list(levels)))
    factor = draw(st.sampled_from([1, 1, 2, 3, 4, 6, 8]))
    steps = [0, *sorted(draw(st.sets(st.integers(1, 8), max_size=2)))]
    return Run(
        root=draw(mixes(level, stops, 2 if nested else 1, scheduled=scheduled, endless=endless)),
        level=level,
        sizes=tuple((step, factor * draw(st.integers(1, 2))) for step in steps),
        drop_remainder=draw(st.booleans()),
        strategy=draw(st.sampled_from(["best_fit", "first_fit", "concat_split"])),
        window=draw(st.integers(1, 12)),
    )


@st.composite
def mixes(draw: st.DrawFn, level: str, stops: Sequence[str], depth: int, *, scheduled: bool, endless: bool) -> Mixed:
    """Any mix; where components are exhausted each has a weight, so that there is always one to go on with."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique=True))
    stop = draw(st.sampled_from(list(stops)))
    children: dict[str, Leaf | Mixed] = {}
    for name in names:
        if depth > 1 and draw(st.integers(0, 4)) == 0:
            # Only the outermost mix of rows is told the step, which its weights may change with.
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
    """Any component. A window holds no several epochs, so that it is clear when a finite one is exhausted."""
    count = draw(st.integers(3, 12))
    return Leaf(
        first=draw(st.integers(1, 50)),
        lengths=tuple(draw(st.lists(st.integers(1, 9), min_size=count, max_size=count))),
        seed=draw(st.none() | st.integers(0, 3)),
        epochs=None if endless else draw(st.sampled_from([1, 2, 3, None])),
        strategy=draw(st.sampled_from(["best_fit", "first_fit", "concat_split"])),
        window=draw(st.integers(1, count)),
    )


@st.composite
def weights_of(draw: st.DrawFn, names: Sequence[str], *, zeros: bool = True) -> Mapping[str, float]:
    """Any weights, not all of them 0."""
    several = draw(st.lists(st.sampled_from(WEIGHTS[0 if zeros else 1 :]), min_size=len(names), max_size=len(names)))
    return dict(zip(names, several if any(several) else [1] * len(names), strict=True))


def with_epochs(run: Run, epochs: int | None) -> Run:
    """The same run with so many epochs of every component."""

    def changed(mix: Mixed) -> Mixed:
        children = {
            name: changed(child) if isinstance(child, Mixed) else replace(child, epochs=epochs)
            for name, child in mix.children.items()
        }
        return replace(mix, children=children)

    return replace(run, root=changed(run.root))

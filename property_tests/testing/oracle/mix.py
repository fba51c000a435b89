"""A slow mix: fractions, one sample at a time, and edits at any time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

from property_tests.testing.mixes import LENGTH, Leaf, Mixed, Points, Run
from property_tests.testing.oracle.batches import Fields, RowFormat, default_shards, next_batch
from property_tests.testing.oracle.documents import Document, Row
from property_tests.testing.oracle.groups import Group, Take, next_group, sequence_of, take_of, window_bounds
from property_tests.testing.oracle.packing import Packing
from property_tests.testing.oracle.weights import NEVER, area, exact_shares, first_place


class LeafFeed:
    """The samples of one component, documents or rows. Its epochs may change during the run, and its data grow."""

    def __init__(self, leaf: Leaf, path: str, of_rows: bool, endless: bool, shards: int) -> None:
        self.leaf, self.of_rows, self.endless = leaf, of_rows, endless
        self.path, self.shards = path, shards
        self.oracle = leaf.oracle(path, shards)
        self.epoch = 0  # the number of epochs that have begun
        self.groups: Iterator[Group] = iter(())
        self.ready: deque[Any] = deque()

    def __next__(self) -> Any:
        while not self.reach_next():
            left = NEVER if self.endless or self.leaf.epochs is None else self.leaf.epochs - self.epoch
            if left <= 0:
                raise StopIteration
            if self.of_rows:
                self.groups = self.oracle.groups(self.epoch)
            else:
                self.ready.extend(self.oracle.epoch(self.epoch))
            self.epoch += 1
        return self.ready.popleft()

    def reach_next(self) -> bool:
        """Skips groups without rows. Says whether the epoch that has begun has a sample left."""
        while not self.ready:
            group = next(self.groups, None)
            if group is None:
                return False
            self.ready.extend(self.oracle.rows_of(self.epoch - 1, group))
        return True

    @property
    def in_order(self) -> set[str]:
        """The path, if the component is not shuffled."""
        return {self.path} if self.leaf.seed is None else set()

    @property
    def finished(self) -> bool:
        """Says whether all epochs were delivered. This stays true while the component repeats for the others."""
        if self.leaf.epochs is None:
            return False
        return self.epoch > self.leaf.epochs or (self.epoch == self.leaf.epochs and not self.reach_next())

    def update(self, leaf: Leaf, to_samples: Callable[[int], int]) -> None:
        # An epoch that has begun keeps its documents.
        self.leaf, self.oracle = leaf, leaf.oracle(self.path, self.shards)

    def renew(self) -> None:
        pass


class MixFeed:
    """The samples of a mix: among the released components the one with the earliest deadline, ties by name."""

    def __init__(
        self, mix: Mixed, path: str, of_rows: bool, endless: bool, shards: int, to_samples: Callable[[int], int]
    ) -> None:
        self.mix, self.path, self.of_rows, self.endless, self.shards = mix, path, of_rows, endless, shards
        self.children: dict[str, LeafFeed | MixFeed] = {}
        self.place = self.origin = 0
        self.counts: dict[str, int] = {}
        self.exhausted: set[str] = set()
        self.in_force = self.following = moved(mix, to_samples)
        self.add_children()

    @property
    def in_order(self) -> set[str]:
        """The paths of the components that are not shuffled."""
        return {path for child in self.children.values() for path in child.in_order}

    def add_children(self) -> None:
        endless = self.endless or self.mix.stop == "all_exhausted"
        for name, child in self.mix.children.items():
            if name not in self.children:
                path = f"{self.path}{name}"
                self.children[name] = (
                    MixFeed(child, f"{path}/", self.of_rows, endless, self.shards, int)
                    if isinstance(child, Mixed)
                    else LeafFeed(child, path, self.of_rows, endless, self.shards)
                )

    def __next__(self) -> Any:
        while not self.ended():
            name = self.earliest()
            try:
                sample = next(self.children[name])
            except StopIteration:
                if self.mix.stop == "first_exhausted":
                    raise
                self.exhausted.add(name)
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
        if self.mix.stop == "renormalize":
            return self.exhausted >= set(weighted)
        return all(self.children[name].finished for name in weighted)

    @property
    def finished(self) -> bool:
        done = [child.finished for child in self.children.values()]
        return any(done) if self.mix.stop == "first_exhausted" else all(done)

    def earliest(self) -> str:
        points, between = self.in_force
        left = [name for name in sorted(self.children) if name not in self.exhausted]
        shares = exact_shares([{name: weights.get(name, 0) for name in left} for _, weights in points])
        exact = [(start, of_point) for (start, _), of_point in zip(points, shares, strict=True)]
        due: list[tuple[int, str]] = []
        for name in left:
            curve = [(start, weights[name]) for start, weights in exact]
            delivered = self.counts.get(name, 0)

            def target(place: int, curve: list[tuple[int, Fraction]] = curve) -> Fraction:
                return area(curve, between, place) - area(curve, between, self.origin)

            if target(self.place + 1) > delivered:
                deadline = first_place(self.place, lambda t, target=target, number=delivered + 1: target(t) >= number)
                due.append((deadline, name))
        return min(due)[1]

    def update(self, mix: Mixed, to_samples: Callable[[int], int]) -> None:
        """Changes the mix. Its weights wait until ``renew``."""
        self.mix, self.following = mix, moved(mix, to_samples)
        self.children = {name: child for name, child in self.children.items() if name in mix.children}
        for name, child in self.children.items():
            child.update(mix.children[name], int)
        self.exhausted &= set(self.children)
        self.add_children()

    def renew(self) -> None:
        if self.in_force != self.following:
            self.in_force, self.origin, self.counts = self.following, self.place, {}
        for child in self.children.values():
            child.renew()


class PackFeed:
    """Rows of groups of the documents of a mix. A change takes effect with the next group."""

    def __init__(self, documents: MixFeed, run: Run, shards: int) -> None:
        self.documents, self.run, self.shards = documents, run, 1 if run.known else shards
        self.taken = 0  # documents of the mix
        self.windows = self.takes()
        self.ready: deque[Row] = deque()

    def __next__(self) -> Row:
        while not self.ready:
            self.documents.renew()
            self.ready.extend(self.next_sequence())
        return self.ready.popleft()

    def next_sequence(self) -> list[Row]:
        """Returns the rows of the next group."""
        position, run, packing = self.taken, self.run, Packing(self.run.strategy, LENGTH)
        group = next_group(self.windows, self.shards, packing, extends=not run.known or run.dropping)
        if group is None:
            raise StopIteration
        drawn = {document.component for documents in group.documents for document in documents}

        def rows_of(documents: Sequence[Document], window: int) -> list[Row]:
            if drawn & self.documents.in_order:
                return packing.rows(documents)
            return packing.shuffled_rows(documents, 0, "*", position, window)

        return sequence_of(group, rows_of, known=run.known)

    def takes(self) -> Iterator[Take[list[Document]]]:
        """Returns the next windows, as many as are taken together."""
        while True:
            # A quarter of a group of windows, another, and a half come first.
            windows, before = self.shards, self.taken
            if self.shards > 1 and before < self.run.window * self.shards:
                part = 4 if 2 * before < self.run.window * self.shards else 2
                windows = (self.shards + part - 1) // part
            documents = self.next_documents(self.run.window * windows)
            if not documents:
                return
            self.taken += len(documents)
            bounds = window_bounds(len(documents), -(-len(documents) // self.run.window))
            cut = [documents[positions.start : positions.stop] for positions in bounds]
            yield take_of(cut, self.shards, later=0 < before < self.run.window * self.shards)

    def next_documents(self, most: int) -> list[Document]:
        """Returns the next documents of the mix; fewer at its end."""
        documents: list[Document] = []
        try:
            while len(documents) < most:
                documents.append(next(self.documents))
        except StopIteration:
            pass
        return documents


class OracleRun:
    """A run that can be edited."""

    def __init__(self, run: Run) -> None:
        self.run, self.step, self.rows, self.shift = run, 0, 0, 0
        self.shards = _shards(run)
        self.mix = MixFeed(run.root, "", run.level == "rows", False, self.shards, self.to_samples(0))
        self.known = run.known
        self.feed: Any = PackFeed(self.mix, run, self.shards) if run.level == "documents" else self.mix

    def to_samples(self, shift: int) -> Callable[[int], int]:
        """Returns the sample at which a boundary of the weights stands."""
        if self.run.level != "rows":
            return int
        return lambda boundary: shift + sum(self.run.size(step) for step in range(boundary))

    def edit(self, run: Run) -> None:
        sizes_before, self.run = self.run.sizes, run
        # Edits keep the logical shards that the run had when it first had to measure documents.
        if self.known:
            self.shards = self.mix.shards = _shards(run)
            self.known = run.known
        if run.sizes != sizes_before:
            self.shift = self.rows - sum(run.size(step) for step in range(self.step))
        self.mix.update(run.root, self.to_samples(self.shift))
        if run.level == "documents":
            self.feed.run, self.feed.shards = run, 1 if run.known else self.shards
        else:
            self.mix.renew()

    def next_rows(self) -> list[Row] | None:
        """Returns the rows of the next batch. Rows that fill up the last batch are empty."""
        rows = next_batch(
            _until_the_end(self.feed),
            self.run.size(self.step),
            self.shards,  # also if all lengths are known now: rows of a group that was measured have their owners
            drop_remainder=self.run.drop_remainder,
        )
        if rows is not None:
            self.step, self.rows = self.step + 1, self.rows + sum(bool(row.spans) for row in rows)
        return rows

    def take(self, count: int) -> list[Any]:
        """Returns the next batches as fields, or documents as tokens."""
        if self.run.level == "bare":
            kept = (document for document in _until_the_end(self.feed) if not document.dropped)
            return [list(document.tokens) for _, document in zip(range(count), kept, strict=False)]
        batches = (self.next_rows() for _ in range(count))
        return [self.fields(rows) for rows in batches if rows]

    def fields(self, rows: list[Row]) -> Fields:
        return RowFormat(LENGTH).batch(rows)


def _shards(run: Run) -> int:
    return run.shards or default_shards(max(size for _, size in run.sizes))


def moved(mix: Mixed, to_samples: Callable[[int], int]) -> tuple[Points, str]:
    """Returns the points of the weights at samples, and the weights between them."""
    if len(mix.points) == 1:
        return mix.points, mix.between
    return tuple((to_samples(boundary), weights) for boundary, weights in mix.points), mix.between


def _until_the_end(feed: Any) -> Iterator[Any]:
    while True:
        try:
            sample = next(feed)
        except StopIteration:
            return
        yield sample

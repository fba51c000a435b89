"""Facts about the shards of a corpus, looked up in its manifest and added to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial

import jax
import numpy as np
from etils import epath
from tqdm import tqdm

from resumable_data.arrays import Int64Array
from resumable_data.digest import digest
from resumable_data.errors import SourceError
from resumable_data.opaque import JsonDict
from resumable_data.sources.manifest import LengthArray, Lengths, Manifest, write_manifest
from resumable_data.sources.retries import Retries
from resumable_data.sources.shard_facts import ShardFacts, is_unchanged, measure_shard
from resumable_data.sources.shards import MANIFEST_SUFFIX, Listed, home_of, name_in

_MEASURED_AT_ONCE = 8
_LONGEST = 2**32 - 1
# After a save, counting goes on for at least so many times as long as the save took.
_COUNTING_PER_SAVE = 20


@dataclass(frozen=True, eq=False)
class PlacedLengths:
    """Lengths of the documents of a source.

    Attributes:
        lengths: The lengths in the manifest.
        shifts: int64[n_shards]; a document's number plus the shift of its shard is its place there.
    """

    lengths: Lengths
    shifts: Int64Array


class LengthsIndex:
    """The manifest of a corpus, as a source uses it.

    Args:
        listed: The shards.
        index_dir: Where the manifest lies; in the folder of the shards by default.

    Raises:
        SourceError: There are no shards, or the manifest is damaged or cannot be read.
    """

    def __init__(self, listed: Sequence[Listed], index_dir: epath.Path | None) -> None:
        candidates = [path for one in listed for path in one.paths]
        home = home_of(candidates)
        self.path = _manifest_path(home, index_dir)
        known = self._manifest.facts
        names = {path: name_in(home, path) for path in candidates}
        # A look at one shard finds a corpus that was made again; other shards are checked at their first read.
        self._trusted = _holds(candidates[0], known.get(names[candidates[0]]))
        files = {path for path, name in names.items() if self._trusted and name in known}
        self.paths = [path for one in listed for path in one.files(files)]
        self.names = [names[path] for path in self.paths]

    def __getstate__(self) -> JsonDict:
        # Another process maps the manifest itself; it is not sent.
        return {name: value for name, value in self.__dict__.items() if name != "_manifest"}

    def facts(self) -> list[ShardFacts]:
        """Returns the facts of each shard. A shard that the manifest does not know is measured.

        Raises:
            SourceError: A shard cannot be read, or holds no records.
        """
        known: Mapping[str, ShardFacts] = self._manifest.facts if self._trusted else {}
        unknown = {name: path for name, path in zip(self.names, self.paths, strict=True) if name not in known}
        found = {**known, **dict(zip(unknown, _measured(unknown.values()), strict=True))}
        return [found[name] for name in self.names]

    def measure(self, progress: bool) -> list[ShardFacts]:
        """Measures every shard, whether it is known or not.

        Raises:
            SourceError: A shard cannot be read, or holds no records.
        """
        with ProgressBar(_measured(self.paths), "shards", len(self.paths), " shards", progress) as bar:
            return list(bar)

    def lengths(self, parser: str, facts: Sequence[ShardFacts]) -> PlacedLengths | None:
        """Returns the lengths that a parser found; None if it has not counted all shards as they are now."""
        if self.missing(parser, facts):
            return None
        lengths = self._manifest.lengths[parser]
        counts = np.array([known.records for known in facts], np.int64)
        starts = np.array([lengths.starts[name] for name in self.names], np.int64)
        return PlacedLengths(lengths, starts - (np.cumsum(counts) - counts))

    def missing(self, parser: str, facts: Sequence[ShardFacts]) -> list[int]:
        """Returns the shards that a parser has not counted as they are now."""
        missing = self._missing(parser, facts)
        if missing:
            self.__dict__.pop("_manifest", None)  # Another process may have counted them meanwhile.
            missing = self._missing(parser, facts)
        return missing

    def build(
        self,
        parser: str,
        facts: Sequence[ShardFacts],
        missing: Sequence[int],
        count: Callable[[int], LengthArray],
        seconds_between_writes: float = 60.0,
    ) -> None:
        """Counts shards and adds them to the manifest. An error keeps what was counted before it.

        Args:
            parser: The parser's name and version.
            facts: Of each shard.
            missing: The shards to count.
            count: Counts a shard: uint32[records].
            seconds_between_writes: How often counts are saved, at most. They are saved less often if saving takes
                long.

        Raises:
            SourceError: The manifest cannot be written.
        """
        counted: dict[str, LengthArray] = {}
        # The first shard is written at once, so that a read-only folder shows before hours of counting.
        due = -np.inf
        try:
            for shard in missing:
                counted[self.names[shard]] = count(shard)
                if time.monotonic() >= due:
                    begin = time.monotonic()
                    self.add(parser, facts, counted)
                    counted = {}
                    took = time.monotonic() - begin
                    due = time.monotonic() + max(seconds_between_writes, _COUNTING_PER_SAVE * took)
        finally:
            if counted:
                self.add(parser, facts, counted)

    def add(self, parser: str, facts: Sequence[ShardFacts], counted: Mapping[str, LengthArray]) -> None:
        """Adds facts and lengths to the manifest. It keeps those of other shards and other parsers.

        Raises:
            SourceError: The manifest cannot be written.
        """
        before = Manifest.load(self.path)
        after = {**before.facts, **dict(zip(self.names, facts, strict=True))}
        lengths: dict[str, dict[str, LengthArray]] = {}
        for other in before.lengths:
            kept = before.counted(other)
            lengths[other] = {name: kept[name] for name in kept if after[name] == before.facts[name]}
        if counted:
            lengths[parser] = {**lengths.get(parser, {}), **counted}
        if after != before.facts or counted:
            write_manifest(self.path, after, lengths)
            self.__dict__.pop("_manifest", None)

    def close(self) -> None:
        """Closes the file; it is opened again when needed."""
        self.__dict__.pop("_manifest", None)

    @cached_property
    def _manifest(self) -> Manifest:
        return Manifest.load(self.path)

    def _missing(self, parser: str, facts: Sequence[ShardFacts]) -> list[int]:
        manifest = self._manifest
        lengths = manifest.lengths.get(parser)
        first = {name: shard for shard, name in reversed(list(enumerate(self.names)))}  # one shard for each name
        return sorted(
            shard
            for name, shard in first.items()
            if lengths is None or name not in lengths.starts or manifest.facts[name] != facts[shard]
        )


class ProgressBar(tqdm):  # pyright: ignore[reportMissingTypeArgument]
    """A bar without a thread; tqdm's own has one that watches for bars that stand still."""

    monitor_interval = 0

    def __init__(self, items: Iterable[object] | None, what: str, total: int, unit: str, shown: bool) -> None:
        super().__init__(items, total=total, desc=what, unit=unit, disable=not shown)


def to_lengths(counts: Int64Array, shard: epath.Path) -> LengthArray:
    """Converts int64[n] lengths to uint32[n], as they are kept.

    Raises:
        SourceError: A document is longer than uint32 can say.
    """
    if counts.max(initial=0) > _LONGEST:
        raise SourceError(f"{shard}: a document of {int(counts.max())} tokens is longer than {_LONGEST}")
    return counts.astype(np.uint32)


def many_processes() -> bool:
    """Tells whether this is one of many processes, which would all build an index at once."""
    return jax.distributed.is_initialized() and jax.process_count() > 1


def require_single_process(command: str) -> None:
    """Refuses to build an index if many processes run.

    Raises:
        SourceError: More than one process runs; the message has the command to run before.
    """
    if many_processes():
        raise SourceError(f"the lengths index is missing, and many processes do not build it at once. {command}")


def _holds(path: epath.Path, facts: ShardFacts | None) -> bool:
    """Tells whether the facts of a shard still hold. A shard without facts passes."""
    try:
        return facts is None or Retries().read(lambda: is_unchanged(path, facts), str(path))
    except SourceError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return False
        raise


def _measured(paths: Iterable[epath.Path]) -> Iterable[ShardFacts]:
    with ThreadPoolExecutor(_MEASURED_AT_ONCE, "measure-shards") as threads:
        yield from threads.map(_measured_with_retries, paths)


def _measured_with_retries(path: epath.Path) -> ShardFacts:
    return Retries().read(partial(measure_shard, path), str(path))


def _manifest_path(home: epath.Path, index_dir: epath.Path | None) -> epath.Path:
    """Returns a path beside the shards; in another folder, the name tells which shards it is about."""
    if index_dir is None:
        return home / MANIFEST_SUFFIX
    text = home.as_posix()
    whole = text if "://" in text else home.absolute().as_posix()
    return index_dir / f"{epath.Path(whole).name}.{digest(whole)}.{MANIFEST_SUFFIX}"

"""``Component``: a source and the stages that work on its documents, from which plans are made and documents read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, TypeVar, runtime_checkable

from typing_extensions import override

from resumable_data.arrays import Int64Array
from resumable_data.digest import Json, canonical_json, digest
from resumable_data.errors import PipelineError
from resumable_data.opaque import Cursor
from resumable_data.order.epoch_sizes import EpochSizes
from resumable_data.order.occurrences import MOST_RECORDS, occurrences
from resumable_data.planning.documents import DocumentStream
from resumable_data.planning.planner import DocumentPlanner
from resumable_data.reading.fields import TokenFields
from resumable_data.reading.reader import DocumentReader, Reader
from resumable_data.reading.step import Step
from resumable_data.reading.token_ids import ANY_TOKEN, TokenIds
from resumable_data.stages.apply_chat_template import ApplyChatTemplate
from resumable_data.stages.catalog import Catalog
from resumable_data.stages.map import Map
from resumable_data.stages.open_context import OpenContext
from resumable_data.stages.random_map import RandomMap
from resumable_data.stages.repeat import Repeat
from resumable_data.stages.select import Selection
from resumable_data.stages.sequential import BufferedRecords, SequentialStage
from resumable_data.stages.shuffle import Shuffle
from resumable_data.stages.skip_bad_records import SkipBadRecords
from resumable_data.stages.source import SourceStage
from resumable_data.stages.stage import DocumentStage, Stage
from resumable_data.stages.tokenize import Tokenize
from resumable_data.state import Settings

StageT = TypeVar("StageT", Shuffle, Repeat)


@runtime_checkable
class ClosingStage(Protocol):
    """A stage that closes documents, such as ``tokenize`` and ``append_eod``."""

    @property
    def eod_id(self) -> int | None:
        """The end-of-document token, or None where it is not known."""
        ...

    @property
    def name(self) -> str:
        """What errors call the stage."""
        ...

    @property
    def appended(self) -> int | None:
        """The token that is put after every document, or None where there is none."""
        ...


@dataclass(frozen=True)
class Component(DocumentStage):
    """The documents of a source, as its stages leave them.

    Attributes:
        source: The records.
        stages: What follows: selections decide which records there are, ``shuffle`` and ``repeat`` order and epochs,
            steps what becomes of a document.
    """

    source: SourceStage | SequentialStage
    stages: tuple[Selection | Shuffle | Repeat | Step, ...] = ()

    def then(self, stage: Selection | Shuffle | Repeat | Step) -> Component:
        """Returns the component with one more stage.

        Raises:
            PipelineError: The stage cannot stand here.
        """
        if isinstance(stage, Selection):
            self._check_selection(stage)
        if isinstance(stage, Shuffle):
            if self.shuffle_seed is not None:
                raise PipelineError("shuffle: these documents are shuffled already")
            if self.epochs != 1:
                raise PipelineError("shuffle goes before repeat, which then shuffles every epoch anew")
        if isinstance(stage, Repeat) and self.epochs != 1:
            raise PipelineError("repeat: these documents repeat already")
        if isinstance(stage, RandomMap) and self.random_access and self.source.epoch_size > MOST_RECORDS:
            raise PipelineError(f"random_map: {self.source.epoch_size} records; it can number {MOST_RECORDS}")
        return replace(self, stages=(*self.stages, stage))

    @property
    @override
    def name(self) -> str:
        return self.stages[-1].name if self.stages else self.source.name

    @property
    @override
    def component(self) -> str:
        return self.source.component

    @override
    def settings(self) -> Settings:
        return (self.stages[-1] if self.stages else self.source).settings()

    @override
    def below(self, path: str) -> Mapping[str, Stage]:
        del path
        return {}

    @property
    def steps(self) -> tuple[Step, ...]:
        """The stages that something becomes of a document in."""
        return tuple(stage for stage in self.stages if isinstance(stage, Step))

    @property
    def epoch_size(self) -> int:
        """Documents an epoch."""
        return self._count(self.source.epoch_size)

    def _count(self, records: int) -> int:
        """Returns how many documents an epoch has, if the source has so many records."""
        for selection in self.selections:
            records = selection.count(records)
        return records

    @property
    def epochs(self) -> int | None:
        """Number of epochs, or None where they are endless."""
        repeat = self._only(Repeat)
        return self.source.epochs if repeat is None else repeat.times

    @property
    def shuffle_seed(self) -> int | None:
        """Seed of the shuffle, or None where the order is the source's."""
        shuffle = self._only(Shuffle)
        return None if shuffle is None else shuffle.seed

    @override
    def shuffle_seeds(self, path: str) -> Mapping[str, int | None]:
        return {path: self.shuffle_seed}

    @property
    @override
    def lengths_known(self) -> bool:
        return self.source.lengths_known and all(step.lengths_stay_known for step in self.steps)

    @property
    @override
    def random_access(self) -> bool:
        """Whether records can be read in any order."""
        return self.source.random_access

    @property
    def drops(self) -> bool:
        """Whether documents may be dropped. A dropped document keeps its position."""
        return any(step.drops for step in self.steps)

    @property
    def epoch_dependent(self) -> bool:
        """Whether a record becomes another document in each epoch. Plans then name occurrences, not records."""
        return any(step.epoch_dependent for step in self.steps)

    @property
    def random_maps(self) -> int:
        """Number of random maps among the steps."""
        return sum(isinstance(step, RandomMap) for step in self.steps)

    @property
    def eod_id(self) -> int | None:
        """The end-of-document token of the last stage that closes documents, or None."""
        closing = [stage.eod_id for stage in self.stages if isinstance(stage, ClosingStage)]
        return closing[-1] if closing else None

    @property
    def closed_by(self) -> ClosingStage | None:
        """The last stage that appends a token to every document, or None. A map after it may remove the token."""
        for stage in reversed(self.stages):
            if isinstance(stage, Map):
                return None
            if isinstance(stage, ClosingStage) and stage.appended is not None:
                return stage
        return None

    def reader(self, fields: TokenFields | None = None) -> DocumentReader:
        """Returns the reader of the documents, which takes these fields for rows."""
        return DocumentReader(self.source.records(), self.steps, fields)

    @override
    def open(self, context: OpenContext, catalog: Catalog, path: str) -> DocumentPlanner[Cursor]:
        records = self.source.records()
        ids = self._token_ids(context.vocab_size)
        steps = (*self.steps, *context.row_steps)
        reader: Reader = DocumentReader(records, steps, context.fields, ids)
        known = self.lengths_known and all(step.lengths_stay_known for step in context.row_steps)
        if context.measuring is not None and not known:
            reader = context.measuring.keep(reader, path)
        for stage in (self.source, *self.stages):
            catalog.describe(path, stage.name, stage.settings())
            catalog.use(stage.algorithms())
        number = catalog.add(path, reader, digest(canonical_json(self._reading(steps, context.fields, ids))))
        catalog.bad_records.extend((path, step.bad) for step in self.steps if isinstance(step, SkipBadRecords))
        drops = any(step.drops for step in steps)
        if isinstance(records, BufferedRecords):
            catalog.resources.append(records)
            return records.planner(path, number, drops, context.shards)
        epoch_dependent, shuffle = self.epoch_dependent, self._only(Shuffle)
        records_of_epoch = EpochSizes(self.source.epoch_size, context.growth.get(path, ()))
        sizes = records_of_epoch.map(self._count)
        if isinstance(self.source, SourceStage) and (content_of_first := self.source.content_of_first) is not None:
            catalog.sources[path] = content_of_first

        def order(epoch: int, positions: Int64Array) -> Int64Array:
            places = positions if shuffle is None else shuffle.records(sizes.of(epoch), path, epoch, positions)
            records = self.records_at(places, records_of_epoch.of(epoch))
            return occurrences(epoch, records) if epoch_dependent else records

        return DocumentStream(
            path=path,
            reader=number,
            sizes=sizes,
            epochs=self.epochs,
            order=order,
            drops=drops,
            endless=context.endless,
            with_epochs=context.with_epochs,
        )

    def _token_ids(self, vocab_size: int | None) -> TokenIds:
        """Returns the valid ids: those of the given vocabulary, else those of the last tokenizer."""
        if vocab_size is not None:
            return TokenIds(vocab_size)
        sizes = [step.vocab_size for step in self.steps if isinstance(step, Tokenize | ApplyChatTemplate)]
        advice = "those of the tokenizer; if the model has more, say how many: vocab_size=… of pack or pad"
        return TokenIds(sizes[-1], advice) if sizes else ANY_TOKEN

    def _reading(self, steps: Sequence[Step], fields: TokenFields | None, ids: TokenIds) -> Json:
        """Returns what decides the lengths of documents, on any process."""
        stages: list[Json] = [[stage.name, dict(stage.settings())] for stage in (self.source, *steps)]
        # A document with an invalid id is dropped, or is an error.
        of_ids: list[Json] = [] if ids.size is None else [["ids", ids.size]]
        return [None if fields is None else fields.tokens, *stages, *of_ids]

    @cached_property  # asked at every epoch, and a check against a protocol is slow
    def selections(self) -> tuple[Selection, ...]:
        """The stages that choose records."""
        return tuple(stage for stage in self.stages if isinstance(stage, Selection))

    def _check_selection(self, selection: Selection) -> None:
        """Raises PipelineError if a selection comes too late, or selects no record."""
        if self.shuffle_seed is not None or self.epochs != 1:
            raise PipelineError(
                f"{selection.name}: choose records before shuffle and repeat, which use the chosen records"
            )
        if self.drops:
            raise PipelineError(
                f"{selection.name}: choose records before filter and skip_bad_records. A selection counts all "
                "records, also those left out later"
            )
        if not selection.count(self.epoch_size):
            raise PipelineError(
                f"{selection.name}: {selection.settings()} leaves none of the {self.epoch_size} records of component "
                f"{self.component!r}"
            )

    def records_at(self, places: Int64Array, records: int | None = None) -> Int64Array:
        """Returns int64[n], the source's records at int64[n] places of the selection.

        Args:
            places: The places.
            records: How many records the source has; None for all that it has now.
        """
        # sizes: how many records each selection has to choose from
        sizes = [self.source.epoch_size if records is None else records]
        for selection in self.selections:
            sizes.append(selection.count(sizes[-1]))
        for selection, size in zip(reversed(self.selections), reversed(sizes[:-1]), strict=True):
            places = selection.select(places, size)
        return places

    def _only(self, kind: type[StageT]) -> StageT | None:
        """Returns the only stage of a kind, or None."""
        return next((stage for stage in self.stages if isinstance(stage, kind)), None)


def components_of(stage: Stage, path: str | None = None) -> Mapping[str, Component]:
    """Returns the components from which a stage takes its documents, by path.

    Args:
        stage: The stage.
        path: Its path; None for the last stage of a pipeline.

    >>> import resumable_data as rd
    >>> toy = rd.Dataset.from_source(rd.InMemorySource([[1]]))
    >>> inner = rd.mix({"b": toy, "c": toy}, {"b": 1, "c": 1})
    >>> list(components_of(rd.mix({"a": toy, "in": inner}, {"a": 1, "in": 1}).pad(4, eod_id=0).node))
    ['a', 'in/b', 'in/c']
    """
    path = stage.component if path is None else path
    if isinstance(stage, Component):
        return {path: stage}
    below = (components_of(child, child_path) for child_path, child in stage.below(path).items())
    return {child_path: component for found in below for child_path, component in found.items()}

"""A component's documents: the chain of stages from a source on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from resumable_data.arrays import Int64Array, Ragged
from resumable_data.errors import PipelineError
from resumable_data.order.occurrences import occurrences
from resumable_data.planning.documents import DocumentStream
from resumable_data.planning.planner import DocumentPlanner
from resumable_data.reading.dropped import as_ragged
from resumable_data.reading.field_reader import FieldReader
from resumable_data.reading.fields import TokenFields
from resumable_data.reading.measured import Measured
from resumable_data.reading.reader import Sizes
from resumable_data.stages.catalog import Catalog, OpenComponent
from resumable_data.stages.open_context import OpenContext
from resumable_data.stages.stage import Named
from resumable_data.state import Settings


@dataclass(frozen=True)
class ChainStage:
    """A stage of a component, on top of the stages nearer to the source.

    It does what its parent does, but for the methods that it overrides: ``records`` decides the order,
    ``lengths`` and ``read`` what becomes of a document. All of them are functions of their arguments.

    Attributes:
        parent: The stage below.
    """

    parent: ChainStage

    @property
    def name(self) -> str:
        """What descriptions and errors call this kind of stage."""
        raise NotImplementedError

    def settings(self) -> Settings:
        """The settings that decide the data."""
        return {}

    def algorithms(self) -> dict[str, int]:
        """Versions of the algorithms that this stage uses."""
        return {}

    @property
    def component(self) -> str:
        """The name given with the source."""
        return self.parent.component

    @property
    def root(self) -> RootStage:
        """The stage of the source."""
        return self.parent.root

    @property
    def epoch_size(self) -> int:
        """Documents an epoch."""
        return self.parent.epoch_size

    @property
    def epochs(self) -> int | None:
        """Number of epochs, or None where they are endless."""
        return self.parent.epochs

    @property
    def shuffle_seed(self) -> int | None:
        """Seed of the shuffle above, or None where the order is the source's."""
        return self.parent.shuffle_seed

    @property
    def lengths_known(self) -> bool:
        """Whether token counts are known without reading."""
        return self.parent.lengths_known

    @property
    def random_access(self) -> bool:
        """Whether records can be read in any order."""
        return self.parent.random_access

    @property
    def drops(self) -> bool:
        """Whether documents may be left out, each of which keeps its position."""
        return self.parent.drops

    @property
    def varies(self) -> bool:
        """Whether what becomes of a record differs by epoch: plans then name occurrences instead of records."""
        return self.parent.varies

    def records(self, path: str, epoch: int, positions: Int64Array, epoch_size: int) -> Int64Array:
        """Records of the source that stand at int64[n] positions of an epoch of the component at ``path``."""
        return self.parent.records(path, epoch, positions, epoch_size)

    def lengths(self, records: Int64Array) -> Int64Array:
        """Tokens of the documents made from int64[n] records; -1 for one that is dropped."""
        return self.parent.lengths(records)

    def measure(self, records: Int64Array) -> Sizes:
        """The same for plans: what is known without reading was never cut."""
        return Sizes(np.asarray(self.lengths(records), np.int64))

    def read(self, records: Int64Array) -> Sequence[Any]:
        """The documents made from int64[n] records; ``DROPPED`` for one that is left out."""
        return self.parent.read(records)

    def read_tokens(self, records: Int64Array) -> Ragged:
        """The same, as tokens."""
        return as_ragged(self.read(records), lambda place: self.name_of(int(records[place])))

    def read_fields(self, records: Int64Array, fields: TokenFields) -> Ragged:
        """The same, where they are mappings, as tokens with the fields aligned.

        A stage that overrides it gives what this gives, or leaves more out.
        """
        return fields.aligned(self.read(records), lambda place: self.name_of(int(records[place])))

    def name_of(self, record: int) -> str:
        """What an error calls a record."""
        return self.parent.name_of(record)

    def chain(self) -> Iterator[ChainStage]:
        """The stages from the source to this one."""
        yield from self.parent.chain()
        yield self

    def open(self, context: OpenContext, catalog: Catalog, path: str) -> DocumentPlanner[Any]:
        """The planner of this component."""
        if path not in catalog.components:
            documents = self if context.fields is None else FieldReader(self, context.fields)
            epoch_size = self.epoch_size if self.random_access else None
            catalog.add(path, documents if known else Measured(documents), epoch_size)
            for stage in self.chain():
                catalog.describe(path, stage.name, stage.settings())
                catalog.use(stage.algorithms())
        return self.root.planner(self, path, catalog.components[path], context)


@dataclass(frozen=True)
class RootStage(ChainStage):
    """The stage of a source, where a chain begins.

    Attributes:
        component_name: The component's name where no mix gives it another.
        content: The source's fingerprint.
    """

    component_name: str
    content: str

    @property
    def name(self) -> str:
        """The stage's name."""
        return "source"

    @property
    def component(self) -> str:
        """The name given with the source."""
        return self.component_name

    @property
    def root(self) -> RootStage:
        """This stage."""
        return self

    @property
    def shuffle_seed(self) -> int | None:
        """None: the order is the source's."""
        return None

    @property
    def drops(self) -> bool:
        """False: every record is a document."""
        return False

    @property
    def varies(self) -> bool:
        """False."""
        return False

    def chain(self) -> Iterator[ChainStage]:
        """This stage."""
        yield self

    def planner(
        self, top: ChainStage, path: str, component: OpenComponent, context: OpenContext
    ) -> DocumentPlanner[Any]:
        """What plans the documents of the chain up to ``top``."""
        epoch_size, varies = cast(int, component.epoch_size), top.varies

        def order(epoch: int, positions: Int64Array) -> Int64Array:
            records = top.records(path, epoch, positions, epoch_size)
            return occurrences(epoch, records) if varies else records

        return DocumentStream(
            path=path,
            reader=component.number,
            epoch_size=epoch_size,
            epochs=top.epochs,
            drops=top.drops,
            order=order,
            endless=context.endless,
        )


def check_component_name(name: str) -> None:
    """Raises PipelineError unless a component can have this name."""
    if not name or "/" in name or "*" in name:
        raise PipelineError(f"a component needs a name without / and *: from_source(source, name={name!r})")


def require_documents(stage: Named, method: str) -> ChainStage:
    """The stage, if it is part of a component's chain.

    Raises:
        PipelineError: It is not; the message says where ``method`` belongs.
    """
    if not isinstance(stage, ChainStage):
        raise PipelineError(f"{method} works on documents and comes before pack and batch, not after {stage.name}")
    return stage

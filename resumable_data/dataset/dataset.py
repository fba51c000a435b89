"""``Dataset``: what pipelines of documents, of rows and of batches have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Generic, NoReturn, Self, TypeVar

from resumable_data.arguments import as_integer, as_names, shown
from resumable_data.checkpoint.stateful import CheckpointableIterator
from resumable_data.dataset.drawing import draw
from resumable_data.differences import EDITS
from resumable_data.engines.engine import Engine
from resumable_data.engines.worker import ALONE, Worker, WorkerEngine
from resumable_data.errors import PipelineError
from resumable_data.iteration.agreed_start import AgreedStart
from resumable_data.iteration.iterator import DataIterator
from resumable_data.iteration.opened import Opened
from resumable_data.iteration.run_report import Explain
from resumable_data.opaque import Cursor, Document, Plan, PyTree
from resumable_data.run_history import RunHistory
from resumable_data.sources.retries import Retries
from resumable_data.sources.sequential import SequentialSource
from resumable_data.sources.source import Source
from resumable_data.stages.catalog import Catalog
from resumable_data.stages.component import Component
from resumable_data.stages.sequential import SequentialStage
from resumable_data.stages.source import SourceStage
from resumable_data.stages.stage import Stage
from resumable_data.table import Shown

if TYPE_CHECKING:
    import grain

    from resumable_data.dataset.documents import DocumentDataset

ElementT = TypeVar("ElementT")


@dataclass(frozen=True, repr=False)
class Dataset(Shown, ABC, Generic[ElementT]):
    """A pipeline: immutable and cheap, built from a source by one method a stage.

    Its type says what may follow. ``from_source`` gives a ``DocumentDataset``; ``pack`` and ``pad`` make a
    ``RowDataset`` of it, and ``batch`` makes a ``BatchDataset`` of that.

    >>> import resumable_data as rd
    >>> documents = rd.Dataset.from_source(rd.InMemorySource([[1, 2, 3], [4, 5], [6, 7]]), name="toy")
    >>> batches = documents.append_eod(9).pack(length=8, strategy="first_fit", eod_id=9).batch(2)
    >>> batch = next(iter(batches))
    >>> batch.targets.tolist()
    [[1, 2, 3, 9, 4, 5, 9, 0], [6, 7, 9, 0, 0, 0, 0, 0]]
    >>> batch.inputs[0].tolist()
    [9, 1, 2, 3, 9, 4, 5, 9]

    Attributes:
        node: The last stage.
        ahead: How many elements are loaded ahead; 0 without ``prefetch``.
    """

    node: Stage
    ahead: int = 0

    @staticmethod
    def from_source(
        source: Source | SequentialSource, name: str = "data", *, retries: Retries | None = None
    ) -> DocumentDataset[Document]:
        """Makes a pipeline over the records of a source.

        Args:
            source: The records: with random access, or an iterable that can only be read in its own order.
            name: The component's name. It enters the keys of the order. A mix gives the component another name.
            retries: How often reading is tried again when storage fails, before that is an error. By default
                ``Retries()``, which makes five attempts.

        Raises:
            PipelineError: ``source`` is not a source, or ``name`` is empty.
            SourceError: The source has no records.
        """
        from resumable_data.dataset.documents import DocumentDataset  # which derives from this class

        retries = Retries() if retries is None else retries
        if not isinstance(retries, Retries):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise PipelineError(f"from_source: retries={shown(retries)} must be Retries(attempts=…, longest_wait=…)")
        if isinstance(source, SequentialSource):
            return DocumentDataset(Component(SequentialStage.of(source, name, retries)))
        return DocumentDataset(Component(SourceStage.of(source, name, retries)))

    def prefetch(self, buffer_size: int = 16) -> Self:
        """Loads up to ``buffer_size`` elements ahead, in threads that ``start()``, a restore or ``next`` starts.

        It is the last stage.

        Raises:
            PipelineError: ``buffer_size`` is below 1, or this pipeline prefetches already.
        """
        if self.ahead:
            raise PipelineError("prefetch: this pipeline prefetches already")
        buffer_size = as_integer("prefetch: buffer_size", buffer_size)
        if buffer_size < 1:
            raise PipelineError(f"prefetch: buffer_size={buffer_size} must be at least 1")
        return replace(self, ahead=buffer_size)

    def to_grain(self, *, allow: Collection[str] = ()) -> grain.IterDataset[ElementT]:
        """Gives the same elements as a dataset of Grain, for its transformations, prefetching and checkpoints.

        The order is the same, also with ``mp_prefetch``: each of its workers plans everything and reads its own
        elements. The state is the same too, unless a transformation of Grain wraps it in its own.

        ``grain.experimental.get_element_spec``, ``get_next_index`` and ``set_next_index`` work on it. The last one
        plans what comes before, and reads nothing.

        Args:
            allow: What may differ when Grain restores a state, as ``DataIterator.set_state`` takes it.

        Raises:
            PipelineError: Grain is not installed, or ``allow`` names what can never be changed.

        >>> import resumable_data as rd
        >>> documents = rd.Dataset.from_source(rd.InMemorySource([[1, 2], [3], [4, 5]])).shuffle(seed=1)
        >>> list(documents.to_grain().map(sum))
        [3, 9, 3]
        """
        try:
            from resumable_data.iteration.grain_dataset import PipelineIterDataset
        except ModuleNotFoundError as error:
            raise PipelineError("to_grain needs Grain: pip install 'resumable_data[grain]'") from error
        allowed = as_names("to_grain: allow", allow, EDITS)
        return PipelineIterDataset(self._iterator, self._bound, self._element_struct, allowed)

    def __len__(self) -> int:
        """Counts documents or global batches, if that is known without reading: batches of up to 10⁶ documents.

        Raises:
            TypeError: It is not known without reading, there is no end, or planning would take more than a second.

        >>> import resumable_data as rd
        >>> documents = rd.Dataset.from_source(rd.SyntheticSource(1000, lengths=[5, 9])).repeat(3)
        >>> len(documents), len(documents.pack(16, eod_id=0).batch(8))
        (3000, 185)
        """
        count = self._known_count()
        if count is None:
            raise TypeError(
                f"the number of elements after {self.node.name} is not known without reading, there is no end, or "
                "they are too many to plan in passing: length(at_most=…) of batches counts or estimates them"
            )
        return count

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return draw(self.node, self.ahead)

    def __iter__(self) -> DataIterator[ElementT]:
        return self._iterator(ALONE)

    if not TYPE_CHECKING:  # A type checker reports a stage in a wrong place by itself.

        def __getattr__(self, name: str) -> NoReturn:
            from resumable_data.dataset.wrong_order import refuse

            refuse(self, name)

    @abstractmethod
    def _engine(self, catalog: Catalog, history: RunHistory, worker: Worker) -> Engine[Plan, Cursor, ElementT]:
        """Opens what plans and loads the elements, in a run with this history."""

    @abstractmethod
    def _element_struct(self) -> PyTree:
        """Returns shapes and dtypes of the first element.

        Raises:
            PipelineError: Elements have no shape in common.
        """

    def _known_count(self) -> int | None:
        """Returns the number of elements, if that is known without reading and soon."""
        return None

    def _shards_of(self, saved: int | None) -> int | None:
        """Returns the logical shards of a run that goes on with those saved; None if no document is measured."""
        del saved
        return None

    @property
    def _bound(self) -> bool:
        """Whether elements lie on devices, or come together with those of other processes."""
        return False

    @property
    def _processes(self) -> tuple[int, ...]:
        """JAX's processes that deliver batches together; none where this one is alone."""
        return ()

    @property
    def _explain(self) -> Explain | None:
        """What explains a step of a run; None where there are no batches."""
        return None

    def _before_prefetch(self, method: str) -> None:
        """Raises PipelineError where elements are prefetched already."""
        if self.ahead:
            raise PipelineError(f"{method} comes before prefetch")

    def _iterator(self, worker: Worker) -> DataIterator[ElementT]:
        """Returns an iterator for which the elements of other workers are None."""
        start = AgreedStart(self._processes)
        return CheckpointableIterator(
            partial(self._open, worker), self.ahead, start, self._explain, pipeline=self.node
        )

    def _open(self, worker: Worker, history: RunHistory) -> Opened[ElementT]:
        catalog = Catalog()
        engine = self._engine(catalog, history, worker)
        if worker.count > 1:
            engine = WorkerEngine(engine, worker)
        history = replace(history, shards=self._shards_of(history.shards))
        return Opened(engine, catalog.description, history, tuple(catalog.resources), catalog.left_out)

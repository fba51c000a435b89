"""Records of a streamed Hugging Face dataset, which has no random access."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any, cast

from resumable_data.arguments import as_text, kind_of, optional, shown
from resumable_data.digest import Json, digest
from resumable_data.errors import PipelineError, RecordError, SourceError, StateError
from resumable_data.opaque import HuggingFace, JsonDict, Record
from resumable_data.sources.hugging_face_copy import own_copy
from resumable_data.sources.retries import is_of_storage
from resumable_data.sources.sequential import BadRecord


class HuggingFaceIterableSource:
    """A ``datasets.IterableDataset``, with its own ``state_dict`` as the position.

    It promises less than other sources, and a warning says so when it is made. The order is that of the stream. Every
    process reads and tokenizes all of it. A resume costs as much as the dataset's own. The dataset decides whether
    each record occurs once an epoch. The source cannot be shuffled, repeated or mixed here: use the dataset's own
    methods, except a shuffle with a buffer, because the dataset's state does not hold the buffer.

    A null record is bad. A record on which a function of the dataset fails is bad too. ``skip_bad_records`` leaves
    bad records out, unless the dataset cannot go past them: a function that works on batches loses all that follows.

    Args:
        dataset: A streamed split whose ``state_dict`` is complete.
        column: The column that holds the documents; None for whole records.
        name: The name of this source in error messages.

    Raises:
        PipelineError: It is not such a dataset, or is shuffled with a buffer.

    >>> import warnings, datasets
    >>> stream = datasets.Dataset.from_dict({"text": ["one", "two", "three"]}).to_iterable_dataset()
    >>> with warnings.catch_warnings(action="ignore"):
    ...     source = HuggingFaceIterableSource(stream, "text")
    >>> reader = source.open_at(None)
    >>> next(iter(reader)), list(source.open_at(reader.state()))
    ('one', ['two', 'three'])
    """

    def __init__(self, dataset: HuggingFace, column: str | None = None, *, name: str = "Hugging Face stream") -> None:
        as_text("HuggingFaceIterableSource: name", name)
        column = optional(as_text, "HuggingFaceIterableSource: column", column)
        if not all(hasattr(dataset, method) for method in ("state_dict", "load_state_dict", "__iter__")):
            raise PipelineError(
                f"{name}: {shown(dataset)} ({kind_of(dataset)}) is not a datasets.IterableDataset, as datasets."
                "load_dataset(…, split='train', streaming=True) gives it; HuggingFaceSource takes a datasets.Dataset"
            )
        buffered = _buffered_shuffle(getattr(dataset, "_ex_iterable", None))
        if buffered:
            raise PipelineError(
                f"{name}: shuffle(buffer_size={buffered}) cannot be resumed exactly, because the dataset's state "
                "does not hold the buffer. Shuffle with buffer_size=1, which shuffles the order of the files, or "
                "convert the dataset to one with random access"
            )
        self._dataset = dataset
        self._column = column
        self._name = name
        warnings.warn(
            f"{name} is a stream: all processes read all of it, and its order and its resume are the dataset's own. "
            "HuggingFaceSource over a dataset with random access has no such limits",
            stacklevel=2,
        )

    def open_at(self, state: Json) -> HuggingFaceReader:
        """Opens a reader at a state, or at the beginning if it is None.

        Raises:
            StateError: The dataset cannot be set to this state.
            PipelineError: It cannot be copied.
        """
        return HuggingFaceReader(self._opened, state, self._column)

    def _opened(self, state: Json) -> HuggingFace:
        """Opens the dataset at a state for one reader: a dataset has only the state of its latest iterator."""
        dataset = own_copy(self._dataset, self._name)
        if state is not None:
            try:
                dataset.load_state_dict(state)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise StateError(f"{self._name}: the dataset cannot be set to its saved state: {error!r}") from error
        return dataset

    def fingerprint(self) -> str:
        """Digests the names and types of the columns, if the dataset knows them, and the column that is read."""
        known = cast(JsonDict, self._dataset.features or {})
        features = {name: str(kind) for name, kind in known.items()}
        return digest("hugging face stream", repr(sorted(features.items())), self._column or "")

    def __repr__(self) -> str:
        return self._name


class HuggingFaceReader:
    """Reads a streamed dataset forward.

    A record on which a function of the dataset fails is bad, and the dataset is opened again after it.

    Args:
        open_at: Opens the dataset at a state, or at the beginning if it is None, for this reader alone.
        state: The state to begin with.
        column: The column to read, or None for whole records.
    """

    def __init__(self, open_at: Callable[[Json], HuggingFace], state: Json, column: str | None) -> None:
        self._open_at = open_at
        self._dataset = open_at(state)
        self._state: Any = state
        self._column = column

    def __iter__(self) -> Iterator[Record]:
        records = iter(self._dataset)
        while True:
            try:
                record = self._value(next(records))
            except StopIteration:
                return
            except Exception as error:
                record = self._failed(error)
                records = iter(self._dataset)
            else:
                self._state = self._dataset.state_dict()
            yield record

    def state(self) -> Json:
        """Returns the dataset's own ``state_dict`` after the last record that was read."""
        return self._state

    def _value(self, record: Record) -> Record:
        if self._column is None:
            return record
        if self._column not in record:
            return BadRecord(f"has no {self._column!r}; it has {', '.join(map(repr, record))}")
        value = record[self._column]
        return BadRecord(f"is null in {self._column!r}") if value is None else value

    def _failed(self, error: Exception) -> BadRecord:
        """Opens the dataset after the record on which it failed.

        Raises:
            SourceError: Storage failed.
            RecordError: The dataset does not move past what it failed on.
        """
        if is_of_storage(error):
            raise SourceError(f"the dataset fails: {error!r}") from error
        after = self._dataset.state_dict()
        if after == self._state:
            raise RecordError(
                f"the dataset fails: {error!r}. It does not move on after this. It does if a map works on one "
                "record at a time; if a map is batched, or the files cannot be parsed, all that follows is lost"
            ) from error
        self._dataset, self._state = self._open_at(after), after
        return BadRecord(f"is bad, the dataset fails: {error!r}")


def _buffered_shuffle(examples: HuggingFace) -> int | None:
    """Returns the buffer size of a shuffle anywhere in a stream, if it is more than one record.

    ``datasets`` shows this only in the classes of its iterables.
    """
    if examples is None:
        return None
    if type(examples).__name__ == "BufferShuffledExamplesIterable" and examples.buffer_size > 1:
        return examples.buffer_size
    below = [getattr(examples, "ex_iterable", None), *getattr(examples, "ex_iterables", ())]
    return next(filter(None, map(_buffered_shuffle, below)), None)

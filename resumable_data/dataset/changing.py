"""What becomes of a document: functions that change it or drop it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from resumable_data.arguments import as_bool, as_integer, as_text, optional
from resumable_data.arrays import BoolArray, Int64Array
from resumable_data.dataset.component_stages import ComponentStages
from resumable_data.errors import PipelineError
from resumable_data.stages.filter import Filter
from resumable_data.stages.filter_lengths import FilterLengths
from resumable_data.stages.map import Map
from resumable_data.stages.random_map import RandomMap
from resumable_data.stages.skip_bad_records import SkipBadRecords
from resumable_data.stages.user_function import FILTER, MAP, RANDOM_MAP, is_transform, user_function

if TYPE_CHECKING:
    import grain

    from resumable_data.dataset.documents import DocumentDataset

ElementT = TypeVar("ElementT")
OutT = TypeVar("OutT")


class Changing(ComponentStages[ElementT]):
    """The methods that change documents or drop them."""

    def filter(
        self,
        predicate: Callable[[ElementT], bool] | grain.transforms.Filter | None = None,
        *,
        on_lengths: Callable[[Int64Array], BoolArray] | None = None,
        tokens: str | None = None,
        name: str | None = None,
        version: str | None = None,
    ) -> DocumentDataset[ElementT]:
        """Drops documents, by what they are or by how long they are.

        A document that is dropped keeps its position, so that no other document moves. ``progress().dropped``
        counts it. After ``filter(predicate)`` lengths are known only by reading. ``filter(on_lengths=…)`` reads
        nothing if they were known. Predicates are pure. They enter the fingerprint as in ``map``.

        Args:
            predicate: Whether to keep a document: from a document to a bool. It may be a ``grain.transforms.Filter``.
            on_lengths: Which documents to keep, of many at once, each by its own number of tokens: from int64[n]
                to bool[n].
            tokens: With ``on_lengths``, the key of the tokens if documents are mappings.
            name: The name by which the function enters the fingerprint. A lambda needs one.
            version: Change it whenever you change what the function does.

        Raises:
            PipelineError: Neither function is given, or both, or the function needs a ``name``.

        >>> import resumable_data as rd
        >>> documents = rd.Dataset.from_source(rd.InMemorySource([[1, 2], [3], [4, 5, 6]]))
        >>> list(documents.filter(lambda document: 3 not in document, name="no threes"))
        [[1, 2], [4, 5, 6]]
        >>> list(documents.filter(on_lengths=lambda lengths: lengths > 2, name="long"))
        [[4, 5, 6]]
        """
        if (predicate is None) == (on_lengths is None):
            raise PipelineError("filter takes one of predicate and on_lengths=")
        tokens = optional(as_text, "filter: tokens", tokens)
        documents = self._component("filter")
        if on_lengths is not None:
            keeps, function_name = user_function(FILTER, on_lengths, name, version)
            return self._then(documents, FilterLengths(keeps, function_name, tokens))
        if tokens is not None:
            raise PipelineError("filter: tokens= goes with on_lengths=; a predicate is given the whole document")
        keeps, function_name = user_function(FILTER, predicate, name, version)
        return self._then(documents, Filter(keeps, function_name))

    def random_map(
        self,
        function: Callable[[ElementT, np.random.Generator], OutT] | grain.transforms.RandomMap,
        *,
        seed: int,
        preserves_length: bool = False,
        name: str | None = None,
        version: str | None = None,
    ) -> DocumentDataset[OutT]:
        """Applies a function of a document and of a random generator, such as an augmentation.

        What the generator draws depends on seed, epoch and record alone. It is the same on every process and after a
        resume, and differs in every epoch. (A release of NumPy may change what its distributions draw.)

        Args:
            function: From a document and a ``numpy.random.Generator`` to a document. It must not draw from another
                generator, and must not change its argument. It may be a
                ``grain.transforms.RandomMap``.
            seed: Any integer.
            preserves_length: As in ``map``.
            name: As in ``map``.
            version: As in ``map``.

        Raises:
            PipelineError: The function needs a ``name``.

        >>> import resumable_data as rd
        >>> documents = rd.Dataset.from_source(rd.InMemorySource([[1, 2, 3], [4, 5, 6]])).repeat(2)
        >>> shuffled = documents.random_map(lambda document, draw: draw.permutation(document), seed=7, name="mixed")
        >>> [document.tolist() for document in shuffled]
        [[3, 2, 1], [4, 6, 5], [1, 3, 2], [4, 6, 5]]
        """
        applied, function_name = user_function(RANDOM_MAP, function, name, version)
        documents = self._component("random_map")
        seed = as_integer("random_map: seed", seed, most=None)
        step = RandomMap(
            applied,
            function_name,
            as_bool("random_map: preserves_length", preserves_length),
            seed,
            level=documents.random_maps,
        )
        return self._then(documents, step)

    def skip_bad_records(self, at_most: int) -> DocumentDataset[ElementT]:
        """Drops records that the stages so far cannot parse, map, tokenize or filter.

        A record is also bad if a token has an id that the model does not know, or if one of the ``fields`` of rows
        does not fit its tokens: it has another length, or a value that its dtype cannot hold. If a ``map`` after this
        stage makes such a field, that is an error: put this stage after the ``map``.

        Without this stage a bad record is an error. With it each bad record is logged as a warning with its name,
        keeps its position, and is counted in ``progress().dropped``. ``bad_records`` of the iterator lists them, and
        a checkpoint keeps the list. An error of storage is never skipped. After this stage the lengths of documents
        are known only by reading, since a bad record shows only then.

        Args:
            at_most: How many different records may be bad in a process. One more is an error. The number may change
                between save and restore.

        Raises:
            PipelineError: ``at_most`` is below 1.
        """
        documents = self._component("skip_bad_records")
        return self._then(documents, SkipBadRecords(as_integer("skip_bad_records: at_most", at_most)))

    def map(
        self,
        function: Callable[[ElementT], OutT] | grain.transforms.Map | grain.transforms.RandomMap,
        *,
        seed: int | None = None,
        preserves_length: bool = False,
        name: str | None = None,
        version: str | None = None,
    ) -> DocumentDataset[OutT]:
        """Applies a pure function to every document when it is read.

        The function enters the pipeline's fingerprint by its qualified name. What a closure holds cannot be seen.

        Args:
            function: From a document to a document. It must not change its argument. A ``grain.transforms.Map``
                enters the fingerprint by its class and its settings: dataclass fields, else public attributes. A
                ``grain.transforms.RandomMap`` is applied as by ``random_map``.
            seed: The seed of a ``grain.transforms.RandomMap``, which needs one.
            preserves_length: Promise that the number of tokens stays, which is checked at every read. Without the
                promise lengths are known only by reading.
            name: The name by which the function enters the fingerprint. A lambda needs one.
            version: Change it whenever you change what the function does.

        Raises:
            PipelineError: The function needs a ``name``, or it is another kind of Grain's transformations.
        """
        if is_transform(RANDOM_MAP, function) and seed is not None:
            random: Any = function
            return self.random_map(random, seed=seed, preserves_length=preserves_length, name=name, version=version)
        if seed is not None:
            raise PipelineError(
                "map: seed= is that of a grain.transforms.RandomMap; use random_map(function, seed=…)"
            )
        applied, function_name = user_function(MAP, function, name, version)
        documents = self._component("map")
        preserves = as_bool("map: preserves_length", preserves_length)
        return self._then(documents, Map(applied, function_name, preserves))

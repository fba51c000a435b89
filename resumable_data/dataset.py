"""``Dataset``: the immutable pipeline that users build, one method a stage."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast

import jax
import numpy as np
from etils import epath
from jax.sharding import Mesh, NamedSharding
from typing_extensions import override

from resumable_data.answers.asked import Asked
from resumable_data.arguments import (
    as_bool,
    as_function,
    as_integer,
    as_names,
    as_number,
    as_path,
    as_text,
    kind_of,
    optional,
    shown,
)
from resumable_data.arrays import BoolArray, Int64Array
from resumable_data.assembly.as_dict import HUGGING_FACE
from resumable_data.assembly.row_format import RowFormat
from resumable_data.batch import LLMBatch
from resumable_data.differences import EDITS
from resumable_data.drawing import draw
from resumable_data.engines.batches import Length
from resumable_data.engines.worker import Worker
from resumable_data.errors import PipelineError
from resumable_data.graph import DocumentNode, Node, Rows, is_stream, open_iterator
from resumable_data.iteration.iterator import DataIterator
from resumable_data.order.schedule import BatchSchedule
from resumable_data.parts import Parts
from resumable_data.placement.placed_rows import PlacedRows
from resumable_data.placement.process_rows_view import ProcessRows
from resumable_data.placement.sharding import as_sharding, check_shape
from resumable_data.placement.views import View, WholeBatch
from resumable_data.planning.packed_rows import PackingReport
from resumable_data.reading.fields import TOKENS, Fields, field_dtypes
from resumable_data.reading.learnt import learnt_from, with_field
from resumable_data.reading.measuring import KEPT_BYTES, Measuring
from resumable_data.sources.retries import Retries
from resumable_data.sources.sequential import SequentialSource
from resumable_data.sources.source import Source
from resumable_data.stages.append_eod import AppendEod
from resumable_data.stages.append_eod_fields import AppendEodFields, appended_values
from resumable_data.stages.apply_chat_template import ApplyChatTemplate
from resumable_data.stages.batch import Batch
from resumable_data.stages.catalog import Catalog
from resumable_data.stages.component import Component, require_documents
from resumable_data.stages.filter import Filter
from resumable_data.stages.filter_lengths import FilterLengths
from resumable_data.stages.map import Map
from resumable_data.stages.measure import Sharing
from resumable_data.stages.mix import MixDocuments, MixRows
from resumable_data.stages.open_context import OpenContext
from resumable_data.stages.pack import Pack
from resumable_data.stages.pad import Pad
from resumable_data.stages.prefetch import Prefetch, without_prefetch
from resumable_data.stages.random_map import RandomMap
from resumable_data.stages.repeat import Repeat
from resumable_data.stages.row_settings import RowSettings
from resumable_data.stages.select import Selection, Slice, parts_of_split
from resumable_data.stages.sequential import SequentialStage
from resumable_data.stages.shift import Shift
from resumable_data.stages.shuffle import Shuffle
from resumable_data.stages.skip_bad_records import SkipBadRecords
from resumable_data.stages.source import SourceStage
from resumable_data.stages.supplied_eod import supplied_eod, warn_of_padding, warn_of_two_tokens
from resumable_data.stages.tokenize import Tokenize
from resumable_data.stages.truncate import as_side
from resumable_data.stages.unbatch import Unbatch
from resumable_data.stages.user_function import FILTER, MAP, RANDOM_MAP, is_transform, user_function
from resumable_data.table import Shown

if TYPE_CHECKING:
    import grain

_WINDOW = 4096
_WINDOW_TO_READ = 256

ElementT = TypeVar("ElementT")


@dataclass(frozen=True)
class Dataset(Asked, Shown, Generic[ElementT]):
    """A pipeline: immutable, cheap, built from a source by one method a stage.

    Iterating gives documents before ``pack`` or ``pad``, rows before ``batch``, and ``LLMBatch`` after it.

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
    """

    node: Node

    @classmethod
    def from_source(
        cls, source: Source | SequentialSource, name: str = "data", *, retries: Retries | None = None
    ) -> Dataset[Any]:
        """A pipeline over the records of a source.

        Args:
            source: The records: with random access, or of a stream, which can only be read in its own order.
            name: The component's name, which enters the keys of its order; a mix gives it the mix's name.
            retries: How often reading is tried again when storage fails, before that is an error: ``Retries()`` by
                default, which makes five attempts.

        Raises:
            PipelineError: ``source`` is no source, or ``name`` is empty.
            SourceError: The source has no records.
        """
        retries = Retries() if retries is None else retries
        if not isinstance(cast(object, retries), Retries):
            raise PipelineError(f"from_source: retries={shown(retries)} must be Retries(attempts=…, longest_wait=…)")
        if isinstance(source, SequentialSource):
            return Dataset(Component(SequentialStage.of(source, name, retries)))
        return Dataset(Component(SourceStage.of(source, name, retries)))

    def shuffle(self, seed: int, block: int | None = None) -> Dataset[ElementT]:
        """Another order every epoch: a keyed permutation in constant memory.

        Args:
            seed: Any integer.
            block: Shuffle blocks of so many neighbouring records, and the records within each, instead of all
                records; for remote storage, where reading neighbours together is cheap.

        Raises:
            PipelineError: The documents are shuffled or repeated already.
        """
        seed = as_integer("shuffle: seed", seed, most=None)
        block = optional(as_integer, "shuffle: block", block)
        return Dataset(self._random_access("shuffle").then(Shuffle(seed, block)))

    def repeat(self, epochs: int | None = None) -> Dataset[ElementT]:
        """Several epochs, or endless ones; each in its own order below a ``shuffle``.

        Args:
            epochs: How many; None repeats for ever.
        """
        epochs = optional(as_integer, "repeat: epochs", epochs)
        return Dataset(self._random_access("repeat").then(Repeat(epochs)))

    def __getitem__(self, records: slice) -> Dataset[ElementT]:
        """Some records of the source, as Python slices a sequence: ``documents[:1000]``, ``documents[-100:]``.

        It counts records before ``shuffle`` and ``repeat``, whether a ``filter`` leaves them out later or not, and
        reads nothing.

        Raises:
            PipelineError: It is not a slice, leaves no record, or comes too late.

        >>> import resumable_data as rd
        >>> documents = rd.Dataset.from_source(rd.InMemorySource([[1], [2], [3], [4]]))
        >>> list(documents[1:3]), len(documents[::2])
        ([[2], [3]], 2)
        """
        return self._select(Slice.of(records))

    def take(self, count: int) -> Dataset[ElementT]:
        """The first ``count`` records, as ``documents[:count]``.

        Raises:
            PipelineError: ``count`` is below 1, or it comes after ``shuffle``, ``repeat`` or ``filter``.
        """
        return self._select(Slice(0, _natural("take: count", count), None))

    def skip(self, count: int) -> Dataset[ElementT]:
        """All but the first ``count`` records, as ``documents[count:]``.

        Raises:
            PipelineError: ``count`` is below 1, no record is left, or it comes after ``shuffle``, ``repeat`` or
                ``filter``.
        """
        return self._select(Slice(_natural("skip: count", count), None, None))

    def split(self, shares: Mapping[str, float], *, seed: int) -> Parts[Dataset[ElementT]]:
        """Parts with these shares of the records, such as one to train on and one to evaluate on.

        Each record is in exactly one part. Of every block of neighbours, as many as the shares' common denominator
        (100 for 0.99 and 0.01), each part has exactly its share, chosen at random. Where a record belongs depends on
        its index alone, so that a corpus can grow at its end. Nothing is read.

        Args:
            shares: Positive numbers by name; a float is the decimal that it is printed as.
            seed: Any integer.

        Returns:
            The parts in the order given, to unpack; ``parts["eval"]`` is one of them.

        Raises:
            PipelineError: A share is not a positive number, a part has no record, or it comes after ``shuffle``,
                ``repeat`` or ``filter``.

        >>> import resumable_data as rd
        >>> documents = rd.Dataset.from_source(rd.InMemorySource([[token] for token in range(10)]))
        >>> train, held_out = documents.split({"train": 0.8, "eval": 0.2}, seed=1)
        >>> list(held_out), len(train)
        ([[2], [6]], 8)
        """
        parts = parts_of_split(shares, as_integer("split: seed", seed, most=None))
        return Parts({part.part: self._select(part) for part in parts})

    def __len__(self) -> int:
        """Documents, or global batches, where that is known without reading; batches of up to a million documents.

        Raises:
            TypeError: It is not known without reading, there is no end, or planning would take more than a second.

        >>> import resumable_data as rd
        >>> documents = rd.Dataset.from_source(rd.SyntheticSource(1000, lengths=[5, 9])).repeat(3)
        >>> len(documents), len(documents.pack(16, eod_id=0).batch(8))
        (3000, 185)
        """
        node = without_prefetch(self.node)
        if isinstance(node, Component) and node.random_access and node.epochs and not node.drops:
            return node.epochs * node.epoch_size
        if isinstance(node, Batch) and node.parent.lengths_known:
            length = self.length()
            if length.exact and length.steps is not None:
                return length.steps
        raise TypeError(
            f"the number of elements after {node.name} is not known without reading, there is no end, or they are "
            "too many to plan in passing: length(at_most=…) of batches counts or estimates them"
        )

    def __bool__(self) -> bool:
        return True

    def filter(
        self,
        predicate: Callable[[Any], bool] | grain.transforms.Filter | None = None,
        *,
        on_lengths: Callable[[Int64Array], BoolArray] | None = None,
        tokens: str | None = None,
        name: str | None = None,
        version: str | None = None,
    ) -> Dataset[ElementT]:
        """Leaves documents out, by what they are or by how long they are.

        A document that is left out keeps its position, so no other document moves. ``progress().dropped`` counts
        it. Behind ``filter(predicate)`` lengths are known only by reading; ``filter(on_lengths=…)`` reads nothing
        where they were known. Predicates are pure; how they count in the fingerprint is as in ``map``.

        Args:
            predicate: Whether to keep a document: from a document to a bool. A ``grain.transforms.Filter`` will do.
            on_lengths: Which documents to keep, of many at once, each by its own number of tokens: from int64[n]
                to bool[n].
            tokens: With ``on_lengths``, the key of the tokens where documents are mappings.
            name: What the function counts by instead; needed for a lambda.
            version: Change it whenever the function comes to do something else.

        Raises:
            PipelineError: Neither function is given, or both, or one without a name that lasts.

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
        documents = require_documents(self.node, "filter")
        if on_lengths is not None:
            keeps, function_name = user_function(FILTER, on_lengths, name, version)
            return Dataset(documents.then(FilterLengths(keeps, function_name, tokens)))
        if tokens is not None:
            raise PipelineError("filter: tokens= goes with on_lengths=; a predicate is given the whole document")
        keeps, function_name = user_function(FILTER, predicate, name, version)
        return Dataset(documents.then(Filter(keeps, function_name)))

    def random_map(
        self,
        function: Callable[[Any, np.random.Generator], Any] | grain.transforms.RandomMap,
        *,
        seed: int,
        preserves_length: bool = False,
        name: str | None = None,
        version: str | None = None,
    ) -> Dataset[Any]:
        """A function of a document and of a generator, such as an augmentation.

        What the generator draws follows from seed, epoch and record alone: the same on any host and after a resume,
        and something else in every epoch. (A release of NumPy may change what its distributions draw.)

        Args:
            function: From a document and a ``numpy.random.Generator`` to a document. It draws from no other
                generator, and must not change its argument. A ``grain.transforms.RandomMap`` will do.
            seed: Any integer.
            preserves_length: As in ``map``.
            name: As in ``map``.
            version: As in ``map``.

        Raises:
            PipelineError: The function has no name that lasts, and none is given.

        >>> import resumable_data as rd
        >>> documents = rd.Dataset.from_source(rd.InMemorySource([[1, 2, 3], [4, 5, 6]])).repeat(2)
        >>> shuffled = documents.random_map(lambda document, draw: draw.permutation(document), seed=7, name="mixed")
        >>> [document.tolist() for document in shuffled]
        [[3, 2, 1], [4, 6, 5], [1, 3, 2], [4, 6, 5]]
        """
        applied, function_name = user_function(RANDOM_MAP, function, name, version)
        documents = require_documents(self.node, "random_map")
        seed = as_integer("random_map: seed", seed, most=None)
        step = RandomMap(
            applied,
            function_name,
            as_bool("random_map: preserves_length", preserves_length),
            seed,
            level=documents.random_maps,
        )
        return Dataset(documents.then(step))

    def skip_bad_records(self, at_most: int) -> Dataset[ElementT]:
        """Leaves out records that cannot be parsed, mapped, tokenised or filtered by the stages so far.

        Records are bad, too, whose fields do not go with their tokens, where rows take ``fields``: one of another
        length, or with a value that its dtype cannot hold; and those with an id that no token has. A ``map`` after
        this stage makes fields of its own, and what is wrong with those is an error: put this stage after it.

        Without it a bad record is an error. Each is logged as a warning with its name, keeps its position, and is
        counted in ``progress().dropped``. ``bad_records`` of the iterator lists them; a checkpoint keeps the list.
        What storage fails with is never skipped. Since a bad record shows only when it is read, the lengths of
        documents are known only by reading after this stage.

        Args:
            at_most: How many different records may be bad in a process; the next one is an error. It may change
                between save and restore.

        Raises:
            PipelineError: ``at_most`` is below 1.
        """
        documents = require_documents(self.node, "skip_bad_records")
        return Dataset(documents.then(SkipBadRecords(as_integer("skip_bad_records: at_most", at_most))))

    def map(
        self,
        function: Callable[[Any], Any] | grain.transforms.Map | grain.transforms.RandomMap,
        *,
        seed: int | None = None,
        preserves_length: bool = False,
        name: str | None = None,
        version: str | None = None,
    ) -> Dataset[Any]:
        """A pure function applied to every document when it is read.

        It counts in the pipeline's fingerprint by its qualified name; what a closure holds cannot be seen.

        Args:
            function: From a document to a document. It must not change its argument. A ``grain.transforms.Map``
                counts by its class and its settings: dataclass fields, else public attributes. With a
                ``grain.transforms.RandomMap`` this is ``random_map``.
            seed: That of a ``grain.transforms.RandomMap``, which needs one.
            preserves_length: Promise that the number of tokens stays, which is checked at every read; without
                it the documents cannot be packed.
            name: What it counts by instead; needed for a lambda.
            version: Change it whenever the function comes to do something else.

        Raises:
            PipelineError: The function has no name that lasts, and none is given, or it is another kind of
                Grain's transformations.
        """
        if is_transform(RANDOM_MAP, function) and seed is not None:
            random: Any = function
            return self.random_map(random, seed=seed, preserves_length=preserves_length, name=name, version=version)
        if seed is not None:
            raise PipelineError(
                "map: seed= is that of a grain.transforms.RandomMap; use random_map(function, seed=…)"
            )
        applied, function_name = user_function(MAP, function, name, version)
        documents = require_documents(self.node, "map")
        return Dataset(
            documents.then(Map(applied, function_name, as_bool("map: preserves_length", preserves_length)))
        )

    def append_eod(
        self, eod_id: int, *, fields: Mapping[str, float] | None = None, tokens: str | None = None
    ) -> Dataset[ElementT]:
        """An end-of-document token after every document, counted in its length.

        Args:
            eod_id: The token.
            fields: Where documents are mappings, what is appended to each field that is aligned with the tokens:
                ``{"loss_mask": 1}`` where the token is to be learnt.
            tokens: Where they are mappings, the key of the tokens; ``"tokens"`` if ``fields`` alone are given.

        Raises:
            PipelineError: The token does not fit int32.
        """
        eod_id = as_integer("append_eod: eod_id", eod_id)
        documents = require_documents(self.node, "append_eod")
        tokens = optional(as_text, "append_eod: tokens", tokens)
        values = appended_values(fields)
        warn_of_two_tokens(documents)
        if fields is None and tokens is None:
            return Dataset(documents.then(AppendEod(eod_id)))
        return Dataset(documents.then(AppendEodFields(eod_id, TOKENS if tokens is None else tokens, values)))

    def tokenize(
        self,
        tokenizer: Any,
        *,
        column: str | None = None,
        add_bos: bool = False,
        add_eos: bool = False,
        add_eod: bool = True,
        eod_id: int | None = None,
        bos_id: int | None = None,
        eos_id: int | None = None,
        max_length: int | None = None,
        truncate: Literal["left", "right"] = "right",
    ) -> Dataset[Any]:
        """Text into tokens, when it is read: int32[n] a document.

        Hundreds of documents are tokenised in one call, in the threads of the tokenizer. Nothing is added or cut but
        what is asked for here, whatever the tokenizer is set to. It counts in the pipeline's fingerprint by what
        decides its tokens, not by its name or path.

        Args:
            tokenizer: A fast tokenizer of ``transformers``, a ``tokenizers.Tokenizer``, the path of a
                ``tokenizer.json``, or a folder or name for ``AutoTokenizer.from_pretrained``. Or any object with
                ``encode_batch(texts)`` or ``encode(text)`` that gives ids, such as a ``SentencePieceProcessor``; what
                its content cannot tell, its attribute ``fingerprint`` does, a text.
            column: Where the text is in records that are dictionaries. Text is ``str``, or bytes that are UTF-8.
            add_bos: Put the tokenizer's BOS token before every document.
            add_eos: Put its EOS token after every document, also after one that is cut.
            add_eod: Close every document with ``eod_id``, but not one that is cut, or that fills ``max_length``
                without it: whoever sees the token knows that the document was whole.
            eod_id: The end-of-document token, the tokenizer's EOS by default. ``pack`` and ``pad`` take it over.
            bos_id: The BOS token, where it is not the tokenizer's own: a ``tokenizer.json`` names none.
            eos_id: The EOS token, in the same way.
            max_length: Cut what is longer, all added tokens counted. By default nothing is: ``pack`` splits or
                truncates what is longer than a row. What is cut here counts in ``progress().truncated`` of rows, like
                what ``pack`` truncates and together with it: the tokens of the text alone, with the row in which
                the document begins, whatever a ``map`` made of the document in between.
            truncate: Where a document longer than ``max_length`` is cut: ``"right"`` drops its last tokens,
                ``"left"`` its first. One that is cut on the left keeps its end, and is closed with ``eod_id``.

        Raises:
            PipelineError: The tokenizer cannot be used, or has no token of the kind that is asked for.

        >>> import resumable_data as rd
        >>> from tokenizers import Tokenizer, models, pre_tokenizers
        >>> words = Tokenizer(models.WordLevel({"?": 0, "one": 1, "two": 2}, unk_token="?"))
        >>> words.pre_tokenizer = pre_tokenizers.Whitespace()
        >>> documents = rd.Dataset.from_source(rd.InMemorySource(["one two", "", "two"])).tokenize(words, eod_id=9)
        >>> [tokens.tolist() for tokens in documents]
        [[1, 2, 9], [9], [2, 9]]
        >>> next(iter(documents.pack(6, strategy="first_fit").batch(1))).inputs.tolist()
        [[9, 1, 2, 9, 9, 2]]
        """
        documents = require_documents(self.node, "tokenize")
        step = Tokenize.of(
            tokenizer,
            optional(as_text, "tokenize: column", column),
            add_bos=as_bool("tokenize: add_bos", add_bos),
            add_eos=as_bool("tokenize: add_eos", add_eos),
            add_eod=as_bool("tokenize: add_eod", add_eod),
            eod_id=optional(as_integer, "tokenize: eod_id", eod_id),
            max_length=optional(as_integer, "tokenize: max_length", max_length),
            side=_side_of_tokenize(truncate),
            bos_id=optional(as_integer, "tokenize: bos_id", bos_id),
            eos_id=optional(as_integer, "tokenize: eos_id", eos_id),
        )
        return Dataset(documents.then(step))

    def apply_chat_template(
        self,
        tokenizer: Any,
        *,
        messages: str = "messages",
        tools: str | Sequence[Mapping[str, Any]] | None = None,
        chat_template: str | None = None,
        chat_template_kwargs: Mapping[str, Any] | None = None,
        assistant_masks: bool = True,
        eod_id: int | None = None,
    ) -> Dataset[Any]:
        """Conversations into tokens when they are read, with a mask of those that the assistant wrote.

        A record is a dictionary whose messages are a list of ``{"role": …, "content": …}``. It becomes
        ``{"tokens": int32[n], "assistant_masks": int32[n]}``: what ``apply_chat_template`` of ``transformers`` gives,
        with nothing added, cut or filled up. ``pack(…, loss_mask="assistant_masks")`` then learns what the assistant
        wrote and nothing else. Hundreds of conversations are tokenised in one call. Tokenizer and template count in
        the pipeline's fingerprint by their content.

        Args:
            tokenizer: A fast tokenizer of ``transformers``, or a folder or name for
                ``AutoTokenizer.from_pretrained``.
            messages: The field of the records that holds the messages.
            tools: The JSON schemas of the functions that the assistant can call, the same in all conversations; or
                the name of the field in which records have their own, or none.
            chat_template: A Jinja template, or the name of one of the tokenizer's, instead of the tokenizer's own.
            chat_template_kwargs: What else the template is given, as ``{"enable_thinking": False}``.
            assistant_masks: Whether there is a mask, for which the template has to have ``{% generation %}`` and
                ``{% endgeneration %}`` around what the assistant writes. Without it documents are their tokens alone.
            eod_id: The first input of every document, the tokenizer's EOS by default, which ``pack`` and ``pad`` take
                over. No document is closed with it: that is the template's.

        Raises:
            PipelineError: The tokenizer or its template cannot be used, or the template cannot say what the assistant
                wrote.

        >>> import resumable_data as rd
        >>> from tokenizers import Tokenizer, models, pre_tokenizers
        >>> from transformers import PreTrainedTokenizerFast
        >>> words = Tokenizer(models.WordLevel({"?": 0, "user": 1, "assistant": 2, "Hi": 3, "Ho": 4, ".": 5}, "?"))
        >>> words.pre_tokenizer = pre_tokenizers.Whitespace()
        >>> template = (
        ...     "{% for message in messages %}{{ message.role }} {% if message.role == 'assistant' %}"
        ...     "{% generation %}{{ message.content }}.{% endgeneration %}"
        ...     "{% else %}{{ message.content }}. {% endif %}{% endfor %}")
        >>> tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token=".", chat_template=template)
        >>> chat = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]
        >>> chats = rd.Dataset.from_source(rd.InMemorySource([{"messages": chat}])).apply_chat_template(tokenizer)
        >>> batch = next(iter(chats.pack(8, loss_mask="assistant_masks").batch(1)))
        >>> batch.targets.tolist(), batch.weights.tolist()
        ([[1, 3, 5, 2, 4, 5, 0, 0]], [[0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0]])
        """
        documents = require_documents(self.node, "apply_chat_template")
        step = ApplyChatTemplate.of(
            tokenizer,
            messages=as_text("apply_chat_template: messages", messages),
            tools=tools,
            chat_template=chat_template,
            variables=chat_template_kwargs,
            masked=as_bool("apply_chat_template: assistant_masks", assistant_masks),
            eod_id=optional(as_integer, "apply_chat_template: eod_id", eod_id),
        )
        return Dataset(documents.then(step))

    def pack(
        self,
        length: int,
        *,
        eod_id: int | None = None,
        strategy: str = "best_fit",
        window: int | None = None,
        pad_id: int = 0,
        truncate: bool | Literal["left", "right"] = False,
        max_documents: int | None = None,
        fields: Fields = (),
        tokens: str | None = None,
        loss_mask: str | None = None,
        labels: str | None = None,
        drop_unscored: bool = False,
        vocab_size: int | None = None,
    ) -> Dataset[LLMBatch]:
        """Rows of ``length`` tokens, each of several documents, packed window by window.

        Documents are arrays of tokens, or mappings that have one under ``tokens`` and, under the names of
        ``fields``, arrays with one value a token. These go where the tokens go, and batches are then an
        ``LLMFieldsBatch``. The field ``"loss_mask"`` says which tokens are to be predicted.

        Args:
            length: Tokens a row.
            eod_id: The first input of every document; by default that of ``tokenize`` or ``append_eod``. ``pack``
                adds it to no document.
            strategy: ``"best_fit"`` (decreasing; fills best), ``"first_fit"`` (keeps the order) or
                ``"concat_split"`` (no padding, documents cut where a row ends).
            window: Documents that are packed together; more fill better. By default 4096, or 256 where lengths are
                known only by reading: so many are read again on resume, for each logical shard.
            pad_id: What fills a row up.
            truncate: Cut a document longer than a row, instead of splitting it over several: ``"right"``, or True,
                drops its last tokens, ``"left"`` its first.
            max_documents: Most documents of a row, a part of one counted as one. Attention kernels that number the
                segments of a row have such a limit. ``packing()`` says how many the fullest row has.
            fields: Names of fields, which are int32, or their dtypes by name, as ``{"weight": "float32"}``.
            tokens: Key of the tokens where documents are mappings; ``"tokens"`` if ``fields`` alone are given.
            loss_mask: The field that says what is learnt: a token is where it is not 0. By default
                ``"loss_mask"``, if that is among the fields.
            labels: The field that says it as Hugging Face does instead: a token is learnt where it is not -100.
            drop_unscored: Leave out documents of which no token is scored, after they are truncated, so that every
                row has a token in the loss. Each keeps its position, and counts as dropped. Documents are then read
                before they are packed. It needs ``truncate``, and not ``concat_split``.
            vocab_size: How many tokens the model knows: an id beyond them makes a record bad, as a negative one does
                always. By default the ids of the tokenizer, after ``tokenize``. It is not part of the state.

        Raises:
            PipelineError: A setting is impossible.
        """
        documents = self._documents("pack")
        row_format = _row_format("pack", documents, length, eod_id, pad_id, fields, loss_mask, labels)
        rows = _row_settings("pack", row_format, truncate, drop_unscored, tokens, vocab_size)
        if window is None:
            window = _WINDOW if documents.lengths_known and not rows.reads_documents else _WINDOW_TO_READ
        window = as_integer("pack: window", window)
        most = optional(as_integer, "pack: max_documents", max_documents)
        return Dataset(Pack(documents, rows, strategy, window, most))

    def pad(
        self,
        length: int,
        *,
        eod_id: int | None = None,
        pad_id: int = 0,
        truncate: bool | Literal["left", "right"] = False,
        fields: Fields = (),
        tokens: str | None = None,
        loss_mask: str | None = None,
        labels: str | None = None,
        drop_unscored: bool = False,
        vocab_size: int | None = None,
    ) -> Dataset[LLMBatch]:
        """Rows of ``length`` tokens, each of one document.

        They stand in the documents' order where lengths are known, or with ``batch(…, shards=1)``.

        Args:
            length: Tokens a row.
            eod_id: The first input of every document; by default that of ``tokenize`` or ``append_eod``.
            pad_id: What fills a row up.
            truncate: Cut a document longer than a row, instead of giving it several; ``"left"`` or ``"right"`` as in
                ``pack``.
            fields: As in ``pack``.
            tokens: As in ``pack``.
            loss_mask: As in ``pack``.
            labels: As in ``pack``.
            drop_unscored: As in ``pack``.
            vocab_size: As in ``pack``.

        Raises:
            PipelineError: A setting is impossible.

        >>> import resumable_data as rd
        >>> source = rd.InMemorySource([{"tokens": [5, 6, 7], "loss_mask": [0, 1, 1]}])
        >>> answers = rd.Dataset.from_source(source).append_eod(9, fields={"loss_mask": 1})
        >>> (batch,) = answers.pad(5, fields=["loss_mask"]).batch(1)
        >>> batch.targets.tolist(), batch.targets_segmentation.tolist(), batch.inputs_segmentation.tolist()
        ([[5, 6, 7, 9, 0]], [[0, 1, 1, 1, 0]], [[1, 1, 1, 1, 0]])
        """
        documents = self._documents("pad")
        row_format = _row_format("pad", documents, length, eod_id, pad_id, fields, loss_mask, labels)
        return Dataset(Pad(documents, _row_settings("pad", row_format, truncate, drop_unscored, tokens, vocab_size)))

    def shift(self, what: str = "inputs") -> Dataset[LLMBatch]:
        """Which side is shifted to make inputs and targets of a row's text.

        Args:
            what: ``"inputs"`` (to the right, the default of all rows), ``"targets"`` (to the left; the last
                token of a document has no target) or ``"none"``.
        """
        return Dataset(Shift(self._rows("shift"), what))

    def batch(
        self,
        size: int | BatchSchedule,
        *,
        drop_remainder: bool = True,
        batch_type: type[LLMBatch] = LLMBatch,
        shards: int | None = None,
        sources: bool = False,
        as_dict: bool | str | Mapping[str, str] = False,
    ) -> Dataset[Any]:
        """Global batches.

        Args:
            size: Rows a batch, over all processes: a number, or a schedule that changes it over the run.
            drop_remainder: Leave out the rows that do not fill a last batch. Otherwise it is filled up with
                rows that carry no scored token. ``progress().dropped_rows`` counts what was left out.
            batch_type: ``LLMBatch``, or after ``pad`` ``LLMIndexedBatch``, whose ``document_idx`` is the
                index of the record in its source plus one.
            shards: Number of logical shards, where documents have to be read for their lengths to be known: each
                process measures the documents of its own shards, and has an equal part of every batch for each. It
                need not divide the batch. By default it is the largest number from 33 to 64 that divides the largest
                batch, else 64, or the batch itself if that is smaller; a run that is resumed keeps its own. It
                decides the order, and the number of processes does not. Where lengths are known it has no effect.
            sources: Have batches say in ``fields["source"]`` which component each token is of: its place among
                ``iterator.components``, from 1; 0 on padding. It may change between save and restore.
            as_dict: Have batches be dictionaries of arrays: True for all fields under their own names; ``"maxtext"``,
                ``"flax"`` or ``"huggingface"`` for the names that these trainers know; or by key the name of a field.
                Beside the fields of the batch there are ``"weights"`` (float32, the loss mask), ``"labels"``
                (targets, and -100 where they do not count), ``"attention_mask"`` (1 where there is a token) and
                ``"document_borders"``. For ``"huggingface"`` rows are not shifted, since models of ``transformers``
                do it themselves. It may change between save and restore.

        >>> import resumable_data as rd
        >>> rows = rd.Dataset.from_source(rd.InMemorySource([[5, 6], [7]])).pack(4, eod_id=0)
        >>> (batch,) = rows.batch(1, as_dict="huggingface")
        >>> {name: array.tolist()[0] for name, array in batch.items()}  # doctest: +NORMALIZE_WHITESPACE
        {'input_ids': [5, 6, 7, 0], 'labels': [-100, 6, -100, -100], 'position_ids': [0, 1, 0, 0],
         'attention_mask': [1, 1, 1, 0]}
        """
        schedule = size if isinstance(size, BatchSchedule) else BatchSchedule(as_integer("batch: size", size))
        rows = self._rows("batch")
        if isinstance(as_dict, str) and as_dict == HUGGING_FACE and rows.format.shift != "none":
            rows = Shift(rows, "none")
        if shards is not None:
            shards = as_integer("batch: shards", shards)
        elif is_stream(rows):
            shards = 1
        drop_remainder = as_bool("batch: drop_remainder", drop_remainder)
        sources = as_bool("batch: sources", sources)
        return Dataset(Batch(rows, schedule, drop_remainder, batch_type, shards, sources, as_dict))

    def map_batches(self, function: Callable[[Any], Any]) -> Dataset[Any]:
        """A pure function applied to every batch, as this process is handed it: placed, or its rows.

        It decides no order, and may change between save and restore.

        Args:
            function: From a batch to any pytree of arrays. ``jax.jit`` of one works too. Where batches are prefetched
                it runs in the thread that loads them.

        >>> import resumable_data as rd
        >>> rows = rd.Dataset.from_source(rd.InMemorySource([[5, 6], [7]])).pack(4, eod_id=0)
        >>> [batch.tolist() for batch in rows.batch(1).map_batches(lambda batch: batch.targets)]
        [[[5, 6, 7, 0]]]
        """
        if isinstance(self.node, Prefetch):
            raise PipelineError("map_batches comes before prefetch")
        batch = self._batch("map_batches")
        function = as_function("map_batches: function", function)
        return Dataset(replace(batch, functions=(*batch.functions, function)))

    def shard(self, process_index: int, process_count: int) -> Dataset[LLMBatch]:
        """The rows of one process, in NumPy: ``[i * G / n, (i + 1) * G / n)`` of every batch of G rows.

        It asks nothing of the other processes. So where documents have to be read for their lengths to be known, it
        reads all of them, unless ``measure`` names a directory; ``shard_by_jax_process`` reads its share.

        Raises:
            PipelineError: The batch cannot be divided; the message lists the counts that would work.
        """
        index, count = (
            as_integer(f"shard: {name}", given)
            for name, given in (("process_index", process_index), ("process_count", process_count))
        )
        return self._sharded("shard", ProcessRows(index, count))

    def shard_by_jax_process(self, processes: Sequence[int] | None = None) -> Dataset[LLMBatch]:
        """The rows of this one of JAX's processes, in NumPy, as ``shard`` gives them.

        The processes deliver batches together, as they do after ``place``: they compare their positions before the
        first one, so they start their iterators in the same order. For that a process waits for the others for up to
        an hour, with a warning every minute. Where documents have to be read for their lengths to be known, each
        reads its share and tells the others; see ``measure``.

        Args:
            processes: Indices of the processes that take part, by default all; rows are theirs in ascending order.

        Raises:
            PipelineError: The batch cannot be divided, or this process is not among them.

        >>> import resumable_data as rd
        >>> documents = rd.Dataset.from_source(rd.InMemorySource([[1], [2]]))
        >>> [batch.targets.tolist() for batch in documents.pad(2, eod_id=0).batch(2).shard_by_jax_process()]
        [[[1, 0], [2, 0]]]
        """
        together = _processes("shard_by_jax_process: processes", processes)
        if jax.process_index() not in together:
            raise PipelineError(f"shard_by_jax_process: process {jax.process_index()} is not among {list(together)}")
        view = ProcessRows(together.index(jax.process_index()), len(together), together if len(together) > 1 else ())
        return self._sharded("shard_by_jax_process", view)

    def place(self, where: Mesh | NamedSharding) -> Dataset[LLMBatch]:
        """Global ``jax.Array`` batches. Each process reads only the rows that its devices hold a part of.

        The processes that have devices of the mesh deliver batches together, as after ``shard_by_jax_process``.

        Args:
            where: The sharding of arrays of shape (batch, length), or a mesh over all of whose axes the rows
                are laid out.

        Raises:
            PipelineError: The batch cannot be laid out so.
        """
        batch, sharding = self._batch("place"), as_sharding(where)
        for size in batch.schedule.sizes:
            check_shape(sharding, (size, batch.parent.format.length))
        return self._viewed("place", PlacedRows(sharding, batch.parent.format.length))

    def measure(
        self,
        directory: epath.PathLike | None = None,
        *,
        kept_bytes: int = KEPT_BYTES,
        timeout_seconds: float = 60.0,
    ) -> Dataset[LLMBatch]:
        """How documents are measured whose lengths show only when they are read, such as text. It decides no order.

        Processes that deliver batches together (``place``, ``shard_by_jax_process``) each measure a share, and tell
        each other the lengths through JAX's coordination service. With a directory they do so through files, and
        so can the processes of ``shard``, and Grain's workers. Files stay: a run that is resumed reads no document
        to measure it.

        Args:
            directory: Where the lengths are kept: one to two bytes a document. All processes can write there.
            kept_bytes: Bound on the tokens that a process keeps from when documents are measured until they are
                delivered, over all components. What does not fit is read twice, and a warning says so.
            timeout_seconds: How long a process waits for the lengths of others, before it measures the documents
                itself: slower, never wrong.

        Raises:
            PipelineError: A number is negative, or these are not batches.
        """
        if isinstance(self.node, Prefetch):
            raise PipelineError("measure comes before prefetch")
        sharing = Sharing(
            optional(as_path, "measure: directory", directory),
            as_integer("measure: kept_bytes", kept_bytes),
            as_number("measure: timeout_seconds", timeout_seconds),
        )
        return Dataset(replace(self._batch("measure"), sharing=sharing))

    def unbatch(self, steps: int | None = None) -> Dataset[LLMBatch]:
        """The rows of these batches one by one, for those who make batches themselves.

        Behind ``shard`` these are the rows of one process, ``G / n`` of every batch of G. What does not fill a
        batch is dropped or filled up as in ``batch``.

        Args:
            steps: Stop after so many batches; by default after the last.

        Raises:
            PipelineError: The batches are placed, or of several sizes.

        >>> import resumable_data as rd
        >>> documents = rd.Dataset.from_source(rd.InMemorySource([[1], [2], [3], [4], [5]]))
        >>> batches = documents.pad(2, eod_id=0).batch(4)
        >>> [row.targets.tolist() for row in batches.shard(1, 2).unbatch()]
        [[3, 0], [4, 0]]
        """
        steps = optional(as_integer, "unbatch: steps", steps)
        if isinstance(self.node, Prefetch):
            raise PipelineError("unbatch comes before prefetch")
        return Dataset(Unbatch(self._batch("unbatch"), steps))

    def prefetch(self, buffer_size: int = 16) -> Dataset[ElementT]:
        """Loads up to ``buffer_size`` elements ahead, in threads that ``start()``, a restore or ``next`` starts."""
        if isinstance(self.node, Prefetch):
            raise PipelineError("prefetch: this pipeline prefetches already")
        return Dataset(Prefetch(self.node, as_integer("prefetch: buffer_size", buffer_size)))

    def batch_struct(self, step: int = 0) -> Any:
        """Shapes and dtypes of a step's batch, as ``jax.ShapeDtypeStruct``, to compile ahead of time."""
        return self._batch("batch_struct").struct(as_integer("batch_struct: step", step))

    def packing(self, windows: int = 8) -> PackingReport:
        """How the first windows fill their rows: a dry run of ``pack`` or ``pad``.

        It reads nothing where lengths are known, and the documents of these windows where they are not, or where a
        loss mask says which tokens are scored.

        >>> import resumable_data as rd
        >>> source = rd.SyntheticSource(10**6, lengths=rd.log_normal_lengths(540))
        >>> report = rd.Dataset.from_source(source).shuffle(7).pack(2048, eod_id=0).packing()
        >>> report.padding < 0.001, report.split
        (True, 1055)
        """
        if not isinstance(self.node, Pack | Pad):
            raise PipelineError(f"packing reports on pack or pad, not on {self.node.name}")
        windows = as_integer("packing: windows", windows)
        if windows < 1:
            raise PipelineError(f"packing: windows={windows} must be at least 1")
        context = OpenContext(Measuring.alone(), reads_counts=self.node.format.learnt is not None)
        return self.node.open(context, Catalog(), self.node.component).report(windows)

    def length(self, at_most: int = 1_000_000) -> Length:
        """Number of global batches, known by planning alone; nothing is read where lengths are known.

        Args:
            at_most: Documents to plan, at about a microsecond each; a longer pipeline's length is estimated
                from so many.

        >>> import resumable_data as rd
        >>> documents = rd.Dataset.from_source(rd.SyntheticSource(1000, lengths=[5, 9])).repeat(3)
        >>> documents.pack(16, eod_id=0).batch(8).length()
        Length(steps=185, exact=True)
        """
        at_most = as_integer("length: at_most", at_most)
        if at_most < 1:
            raise PipelineError(f"length: at_most={at_most} must be at least 1 document")
        with closing(replace(self._batch("length"), view=WholeBatch()).open_engine(Catalog())) as engine:
            return engine.length(at_most)

    def to_grain(self, *, allow: Collection[str] = ()) -> grain.IterDataset[ElementT]:
        """The same elements as a dataset of Grain, for its transformations, prefetching and checkpoints.

        The order is the same, also with ``mp_prefetch``, whose workers each plan everything and read their own
        elements. The state is the same too, but where a transformation of Grain wraps it in its own.

        ``grain.experimental.get_element_spec``, ``get_next_index`` and ``set_next_index`` work on it; the last plans
        what comes before, and reads nothing.

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
        node = without_prefetch(self.node)
        bound = isinstance(node, Batch) and (isinstance(node.view, PlacedRows) or bool(node.view.processes))
        allowed = as_names("to_grain: allow", allow, EDITS)
        return PipelineIterDataset(partial(open_iterator, self.node), bound, _struct_of(node), allowed)

    def __repr__(self) -> str:
        return draw(self.node)

    def __iter__(self) -> DataIterator[ElementT]:
        return open_iterator(self.node, Worker(0, 1))

    def _select(self, selection: Selection) -> Dataset[ElementT]:
        return Dataset(self._random_access(selection.name).then(selection))

    def _random_access(self, method: str) -> Component:
        documents = require_documents(self.node, method)
        if is_stream(documents):
            raise PipelineError(
                f"{method}: component {documents.component!r} is a stream without random access; "
                f"{method} it in the dataset itself"
            )
        return documents

    def _documents(self, method: str) -> DocumentNode:
        if isinstance(self.node, MixDocuments):
            return self.node
        return require_documents(self.node, method)

    def _rows(self, method: str) -> Rows:
        if not isinstance(self.node, Pack | Pad | Shift | MixRows):
            raise PipelineError(f"{method} works on rows and comes after pack or pad, not after {self.node.name}")
        return self.node

    @override
    def _batch(self, method: str) -> Batch:
        node = without_prefetch(self.node)
        if not isinstance(node, Batch):
            raise PipelineError(f"{method} works on batches and comes after batch, not after {node.name}")
        return node

    def _sharded(self, method: str, view: ProcessRows) -> Dataset[LLMBatch]:
        view.check(method, self._batch(method).schedule.sizes)
        return self._viewed(method, view)

    def _viewed(self, method: str, view: View) -> Dataset[LLMBatch]:
        """The batches as one process sees them."""
        if isinstance(self.node, Prefetch):
            raise PipelineError(f"{method} comes before prefetch")
        batch = self._batch(method)
        if not isinstance(batch.view, WholeBatch):
            raise PipelineError(f"{method}: this pipeline is sharded or placed already")
        return Dataset(replace(batch, view=view))


def _processes(what: str, given: object) -> tuple[int, ...]:
    """Processes of JAX that take part, ascending; by default all."""
    if given is None:
        return tuple(range(jax.process_count()))
    if not isinstance(given, Iterable):
        raise PipelineError(f"{what}={shown(given)} must be a list of process indices, not {kind_of(given)}")
    return tuple(sorted({as_integer(what, process) for process in cast(Iterable[object], given)}))


def _row_format(
    stage: str,
    documents: DocumentNode,
    length: int,
    eod_id: int | None,
    pad_id: int,
    fields: Fields,
    loss_mask: str | None,
    labels: str | None,
) -> RowFormat:
    dtypes = field_dtypes(stage, fields)
    loss_mask, labels = (
        optional(as_text, f"{stage}: {name}", given) for name, given in (("loss_mask", loss_mask), ("labels", labels))
    )
    learnt = learnt_from(stage, dtypes, loss_mask, labels)
    pad_id = as_integer(f"{stage}: pad_id", pad_id)
    warn_of_padding(documents, stage, pad_id)
    return RowFormat(
        as_integer(f"{stage}: length", length),
        supplied_eod(documents, stage) if eod_id is None else as_integer(f"{stage}: eod_id", eod_id),
        pad_id,
        fields=dtypes if learnt is None else with_field(dtypes, learnt.field),
        learnt=learnt,
    )


def _struct_of(node: Node) -> Callable[[], Any] | None:
    """What gives shapes and dtypes of a first batch or of a row; None for documents, which have none in common."""
    if isinstance(node, Batch):
        return partial(node.struct, 0)
    return partial(_row_struct, node) if isinstance(node, Pack | Pad | Shift | MixRows) else None


def _row_struct(rows: Rows) -> Any:
    def of_row(leaf: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype)

    batch = Batch(rows, BatchSchedule(1), True, LLMBatch).struct(0)
    borders = jax.ShapeDtypeStruct((rows.format.length,), np.bool_)
    return jax.tree.map(of_row, batch).replace(_document_borders=borders)


def _natural(what: str, value: int) -> int:
    if (number := as_integer(what, value)) < 1:
        raise PipelineError(f"{what}={number} must be at least 1")
    return number


def _side_of_tokenize(truncate: object) -> str:
    side = as_side("tokenize: truncate", truncate)
    if side is None:
        raise PipelineError("tokenize: truncate says where what is longer than max_length= is cut; leave both out")
    return side


def _row_settings(
    stage: str,
    row_format: RowFormat,
    truncate: object,
    drop_unscored: object,
    tokens: str | None,
    vocab_size: int | None,
) -> RowSettings:
    return RowSettings(
        stage,
        row_format,
        as_side(f"{stage}: truncate", truncate),
        as_bool(f"{stage}: drop_unscored", drop_unscored),
        optional(as_text, f"{stage}: tokens", tokens),
        optional(as_integer, f"{stage}: vocab_size", vocab_size),
    )

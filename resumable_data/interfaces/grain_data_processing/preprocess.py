"""Makes rows of tokens from a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from etils import epath

from resumable_data.dataset import Dataset, DocumentDataset, RowDataset, UnbatchedDataset
from resumable_data.errors import PipelineError, RecordError
from resumable_data.interfaces.grain_data_processing.padded import PaddedDataset, as_source
from resumable_data.interfaces.grain_data_processing.special_tokens import eod_token
from resumable_data.interfaces.grain_data_processing.tokenizer import find_tokenizer
from resumable_data.opaque import Document, Indexable, JsonObject, Record, Tokenizer
from resumable_data.order.schedule import BatchSchedule
from resumable_data.order.shards import default_shards
from resumable_data.sources.array_record import ArrayRecordSource
from resumable_data.sources.in_memory import InMemorySource
from resumable_data.sources.parse import parse_int32_tokens, raw_bytes
from resumable_data.sources.source import Source, knows_lengths

DOCUMENTS_A_BIN = 32
"""Documents of a packing window for each packing bin: 128 bins, the usual number, make a window of 4096."""


@dataclass(frozen=True)
class Processing:
    """The stages from the documents of a data set to rows.

    Attributes:
        column: The column of the documents.
        length: Tokens a row.
        eod_id: The end-of-document token.
        tokenizer: The tokenizer for ``DocumentDataset.tokenize``; None if the documents are tokens.
        add_bos: Whether text begins with the tokenizer's BOS token.
        add_eos: Whether text ends with its EOS token.
        add_eod: Whether documents end with ``eod_id``.
        shuffle_seed: Seed of the order of every epoch; None keeps the order of the data set.
        bins: Packing bins; None for one document a row.
        schedule: Rows of every batch, over all processes.
        shift: Whether inputs are the targets shifted to the right.
    """

    column: str
    length: int
    eod_id: int
    tokenizer: Tokenizer
    add_bos: bool
    add_eos: bool
    add_eod: bool
    shuffle_seed: int | None
    bins: int | None
    schedule: BatchSchedule
    shift: bool

    def __post_init__(self) -> None:
        if self.bins is not None and self.bins < 1:
            raise PipelineError(f"grain_packing_bin_count={self.bins} must be at least 1")

    def rows(self, documents: DocumentDataset[Document], epochs: int | None) -> RowDataset:
        """Makes the rows of a number of epochs, or of endless epochs if it is None: those of all processes.

        Raises:
            PipelineError: A setting is impossible.
        """
        if self.shuffle_seed is not None:
            documents = documents.shuffle(self.shuffle_seed)
        if epochs != 1:
            documents = documents.repeat(epochs)
        documents = self._tokens(documents)
        if self.bins is None:
            rows = documents.pad(self.length, eod_id=self.eod_id, truncate=True)
        else:
            window = max(1, DOCUMENTS_A_BIN * self.bins // self._shards(documents))
            rows = documents.pack(self.length, eod_id=self.eod_id, window=window, truncate=True)
        return rows if self.shift else rows.shift("none")

    def documents(self, dataset: Indexable, name: str) -> DocumentDataset[Document]:
        """Makes a component of the texts or tokens of a data set.

        Raises:
            PipelineError: The data set has no random access.
            SourceError: It has no records, or no such column.
        """
        content = Content(self.column, as_tokens=self.tokenizer is None)
        source = _source_of(dataset, content)
        documents = Dataset.from_source(source, name)
        if knows_lengths(source):
            return documents
        kind = "tokens" if content.as_tokens else "text"
        return documents.map(content, name=f"{kind} of {self.column}")

    def _tokens(self, documents: DocumentDataset[Document]) -> DocumentDataset[Document]:
        if self.tokenizer is None:
            return documents.append_eod(self.eod_id) if self.add_eod else documents
        # If EOS and EOD are the same token, it must end a document once, not twice.
        same = self.add_eod and getattr(self.tokenizer, "eos_token_id", None) == self.eod_id
        return documents.tokenize(
            self.tokenizer,
            add_bos=self.add_bos,
            add_eos=self.add_eos and not same,
            add_eod=self.add_eod,
            eod_id=self.eod_id,
        )

    def _shards(self, documents: DocumentDataset[Document]) -> int:
        """Returns the number of logical shards of the batches. Each packs its part of the documents."""
        known = documents.node.lengths_known
        return 1 if known else default_shards(max(self.schedule.sizes))


def preprocess_dataset(
    dataloading_host_index: int,
    dataloading_host_count: int,
    dataset: Indexable,
    data_column_name: str,
    tokenize: bool,
    global_batch_size: int,
    max_target_length: int,
    shuffle: bool,
    data_shuffle_seed: int,
    tokenizer_path: epath.PathLike | None = None,
    hf_access_token: str | None = None,
    add_bos: bool = True,
    add_eos: bool = True,
    add_eod: bool = True,
    grain_packing: bool = False,
    grain_packing_bin_count: int | None = None,
    shift: bool = True,
    drop_remainder: bool = True,
    num_epochs: int | None = None,
    tokenizer_cache_dir: epath.PathLike | None = None,
    max_steps_per_epoch: int | None = None,
    eod_token_id: int | None = None,
) -> tuple[UnbatchedDataset, Indexable]:
    """Makes this process's rows of tokens from a data set.

    All processes have one order. Process ``i`` of ``n`` has rows ``[i * G / n, (i + 1) * G / n)`` of every global
    batch of G rows. The global batches do not depend on the number of processes.

    Args:
        dataloading_host_index: The index of this process, as ``jax.process_index()``.
        dataloading_host_count: The number of processes, as ``jax.process_count()``; it divides the global batch.
        dataset: A data set of ``load_array_record_dataset`` or ``load_huggingface_dataset``, a ``PaddedDataset``,
            another source, or an object with ``len`` and ``[index]``. Its records are text, tokens, their bytes
            (UTF-8, or int32), or mappings with these in a column. It is not changed.
        data_column_name: The column of these mappings.
        tokenize: Whether the records are text to tokenize; otherwise they are tokens.
        global_batch_size: Rows a batch, over all processes.
        max_target_length: Tokens a row. Longer documents are truncated at their end.
        shuffle: Whether every epoch has an order of its own.
        data_shuffle_seed: Seed of these orders.
        tokenizer_path: Folder, ``tokenizer.json`` or name of the tokenizer.
        hf_access_token: Access token of the Hugging Face Hub, for the tokenizer.
        add_bos: Whether text begins with the tokenizer's BOS token. Records of tokens get none.
        add_eos: Whether text ends with its EOS token. If that is also the end-of-document token, it stands once.
        add_eod: Whether documents end with the end-of-document token. A document that fills a row or is truncated
            has none.
        grain_packing: Whether a row can hold several documents; otherwise it holds one.
        grain_packing_bin_count: Packing bins; by default the rows of a batch. A packing window has 32 documents a
            bin; if lengths are not known, the logical shards divide them. More bins fill rows better.
        shift: Whether inputs are the targets shifted right by one; otherwise both are the same.
        drop_remainder: Whether to leave out the rows after the last whole batch of all epochs. Otherwise the last
            batch is filled up with rows that score nothing. That of a ``PaddedDataset`` is always filled up.
        num_epochs: The number of epochs; None for endless data. With ``shuffle`` each has its own order. A batch may
            hold rows of two epochs.
        tokenizer_cache_dir: Folder of downloaded tokenizers.
        max_steps_per_epoch: Ends the rows after ``max_steps_per_epoch * (num_epochs or 1)`` batches; None ends them
            with the data.
        eod_token_id: The end-of-document token, if no tokenizer supplies one. Without a tokenizer it is needed.

    Returns:
        The rows, to iterate over, resume, or pass to Grain with ``to_grain()``; and ``dataset``.

    Raises:
        PipelineError: A setting is impossible.
        SourceError: The data set has no records, or no such column.

    >>> rows, _ = preprocess_dataset(
    ...     1, 2, [[1, 2, 3], [4, 5], [6], [7, 8]], "tokens", False, global_batch_size=4, max_target_length=4,
    ...     shuffle=False, data_shuffle_seed=0, num_epochs=1, eod_token_id=9)
    >>> [row.targets.tolist() for row in rows]
    [[6, 9, 0, 0], [7, 8, 9, 0]]
    """
    tokenizer = None
    if tokenizer_path is not None:
        tokenizer = find_tokenizer(tokenizer_path, hf_access_token, tokenizer_cache_dir)
    elif tokenize:
        raise PipelineError("tokenize=True needs a tokenizer_path")
    if max_steps_per_epoch is not None and max_steps_per_epoch < 1:
        raise PipelineError(f"max_steps_per_epoch={max_steps_per_epoch} must be at least 1")
    processing = Processing(
        column=data_column_name,
        length=max_target_length,
        eod_id=eod_token(tokenizer, eod_token_id),
        tokenizer=tokenizer if tokenize else None,
        add_bos=add_bos,
        add_eos=add_eos,
        add_eod=add_eod,
        shuffle_seed=data_shuffle_seed if shuffle else None,
        bins=packing_bins(grain_packing, grain_packing_bin_count, global_batch_size),
        schedule=BatchSchedule(global_batch_size),
        shift=shift,
    )
    rows = processing.rows(processing.documents(dataset, "data"), num_epochs)
    padded = isinstance(dataset, PaddedDataset) and len(dataset) > len(dataset.dataset)
    batches = rows.batch(global_batch_size, drop_remainder=drop_remainder and not padded)
    steps = None if max_steps_per_epoch is None else max_steps_per_epoch * (num_epochs or 1)
    return batches.shard(dataloading_host_index, dataloading_host_count).unbatch(steps), dataset


def packing_bins(packing: bool, bin_count: int | None, batch_size: int) -> int | None:
    """Returns the number of packing bins, by default the rows of a batch; None without packing."""
    if not packing:
        return None
    return batch_size if bin_count is None else bin_count


@dataclass(frozen=True)
class Content:
    """A function from a record to its text or tokens: the record itself, or its column if it is a mapping.

    Attributes:
        column: The column of records that are mappings.
        as_tokens: Whether bytes are int32 tokens; otherwise they are text.
    """

    column: str
    as_tokens: bool

    def __call__(self, record: Record) -> Record:
        """Returns the text or the tokens of a record.

        Raises:
            RecordError: It has no such column, or its bytes are not int32 tokens.
        """
        found: Record = record
        if isinstance(record, Mapping):
            columns = cast(JsonObject, record)
            if self.column not in columns:
                raise RecordError(f"a record has no column {self.column!r}, only {', '.join(map(str, columns))}")
            found = columns[self.column]
        return parse_int32_tokens(found) if self.as_tokens and isinstance(found, bytes) else found


def _source_of(dataset: Indexable, content: Content) -> Source:
    """Makes a source of a data set. It reads tokens if their lengths can be known."""
    if isinstance(dataset, PaddedDataset):
        inner = _source_of(dataset.dataset, content)
        return PaddedDataset(inner, dataset.full_dataset_length, dataset.column_name)
    if isinstance(dataset, ArrayRecordSource) and content.as_tokens and dataset.parse is raw_bytes:
        return dataset.parsed_by(parse_int32_tokens)
    if isinstance(dataset, list | tuple):
        return InMemorySource([content(record) for record in cast(Sequence[Record], dataset)])
    return as_source(dataset, content.column)

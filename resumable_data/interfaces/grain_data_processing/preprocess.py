"""From a data set to rows of tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from etils import epath

from resumable_data.dataset import Dataset, DocumentDataset, RowDataset, UnbatchedDataset
from resumable_data.errors import PipelineError, RecordError
from resumable_data.interfaces.grain_data_processing.padded import PaddedDataset, as_source
from resumable_data.interfaces.grain_data_processing.special_tokens import eod_token
from resumable_data.interfaces.grain_data_processing.tokenizer import find_tokenizer
from resumable_data.order.schedule import BatchSchedule
from resumable_data.order.shards import default_shards
from resumable_data.sources.array_record import ArrayRecordSource
from resumable_data.sources.in_memory import InMemorySource
from resumable_data.sources.parse import parse_int32_tokens, raw_bytes
from resumable_data.sources.source import Source, knows_lengths

DOCUMENTS_A_BIN = 32
"""Documents of a packing window for each packing bin: the usual 128 bins are a window of 4096."""


@dataclass(frozen=True)
class Processing:
    """What becomes of the documents of a data set, whatever it is.

    Attributes:
        column: The column of the documents.
        length: Tokens a row.
        eod_id: The end-of-document token.
        tokenizer: What ``Dataset.tokenize`` takes; None where the documents are tokens.
        add_bos: Whether text begins with the tokenizer's BOS token.
        add_eos: Whether text ends with its EOS token.
        add_eod: Whether documents end with ``eod_id``.
        shuffle_seed: Seed of the order of every epoch, or None for that of the data set.
        bins: Packing bins; None for one document a row.
        schedule: Rows of every batch, over all processes.
        shift: Whether inputs are the targets shifted to the right.
    """

    column: str
    length: int
    eod_id: int
    tokenizer: Any
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

    def rows(self, documents: DocumentDataset[Any], epochs: int | None) -> RowDataset:
        """The rows of so many epochs of ``documents``, or of endless ones; those of all processes.

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

    def documents(self, dataset: Any, name: str) -> DocumentDataset[Any]:
        """The texts, or the tokens, of a data set, as the component of a name.

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

    def _tokens(self, documents: DocumentDataset[Any]) -> DocumentDataset[Any]:
        if self.tokenizer is None:
            return documents.append_eod(self.eod_id) if self.add_eod else documents
        # Where both are the same token, one closes a document and not two.
        same = self.add_eod and getattr(self.tokenizer, "eos_token_id", None) == self.eod_id
        return documents.tokenize(
            self.tokenizer,
            add_bos=self.add_bos,
            add_eos=self.add_eos and not same,
            add_eod=self.add_eod,
            eod_id=self.eod_id,
        )

    def _shards(self, documents: DocumentDataset[Any]) -> int:
        """The logical shards of the batches, each of which packs its part of the documents."""
        known = documents.node.lengths_known
        return 1 if known else default_shards(max(self.schedule.sizes))


def preprocess_dataset(
    dataloading_host_index: int,
    dataloading_host_count: int,
    dataset: Any,
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
) -> tuple[UnbatchedDataset, Any]:
    """From a data set to this host's rows of tokens.

    The order is one for all hosts: host ``i`` of ``n`` has rows ``[i * G / n, (i + 1) * G / n)`` of every global
    batch of G rows, and what the global batches are depends on no host.

    Args:
        dataloading_host_index: This host, as ``jax.process_index()``.
        dataloading_host_count: How many hosts load data, as ``jax.process_count()``; it divides the global batch.
        dataset: A data set of ``load_array_record_dataset`` or ``load_huggingface_dataset``, a ``PaddedDataset``,
            another source, or anything with ``len`` and ``[index]``. Its records are text, tokens, their bytes
            (UTF-8, or int32), or mappings with these in a column. None of them is changed.
        data_column_name: That column.
        tokenize: Whether the records are text that has to be tokenised; otherwise they are tokens.
        global_batch_size: Rows a batch, over all hosts.
        max_target_length: Tokens a row. What is longer loses its tail, tokenised here or before.
        shuffle: Whether every epoch has an order of its own.
        data_shuffle_seed: Seed of these orders.
        tokenizer_path: Folder, ``tokenizer.json`` or name of the tokenizer.
        hf_access_token: Access token of the Hugging Face Hub, for the tokenizer.
        add_bos: Whether text begins with the tokenizer's BOS token. Tokens are taken as they are.
        add_eos: Whether text ends with its EOS token; not twice, where that is the end-of-document token.
        add_eod: Whether documents end with the end-of-document token. One that fills a row, or is cut, has none.
        grain_packing: Whether rows hold several documents, rather than one each.
        grain_packing_bin_count: Packing bins, by default as many as rows in a batch. There are 32 documents a bin in
            each window of documents that are packed together (of text divided among the logical shards); more fill
            better.
        shift: Whether inputs are the targets shifted right by one, rather than the same.
        drop_remainder: Whether the rows after the last whole batch of all epochs are left out. Otherwise it is
            filled up with rows that score nothing; so are those of a ``PaddedDataset`` in any case.
        num_epochs: Epochs, whose orders differ where they are shuffled; None for endless ones. A batch may hold rows
            of two epochs.
        tokenizer_cache_dir: Where the tokenizer is kept when it is downloaded.
        max_steps_per_epoch: Ends the rows after so many batches an epoch, of which there is one if ``num_epochs`` is
            None; by default after the last.
        eod_token_id: The end-of-document token, where no tokenizer supplies one. Without a tokenizer it is needed.

    Returns:
        The rows, which are iterated over, resumed, or handed to Grain with ``to_grain()``; and ``dataset``.

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
    """The packing bins, by default as many as rows in a batch; None without packing."""
    if not packing:
        return None
    return batch_size if bin_count is None else bin_count


@dataclass(frozen=True)
class Content:
    """What a record holds: itself, or what stands in its column; bytes that are tokens as tokens.

    Attributes:
        column: The column of records that are mappings.
        as_tokens: Whether bytes are int32 tokens, rather than text.
    """

    column: str
    as_tokens: bool

    def __call__(self, record: Any) -> Any:
        """The text or the tokens of a record.

        Raises:
            RecordError: It has no such column, or bytes that are no int32 tokens.
        """
        found: Any = record
        if isinstance(record, Mapping):
            columns = cast(Mapping[str, Any], record)
            if self.column not in columns:
                raise RecordError(f"a record has no column {self.column!r}, only {', '.join(map(str, columns))}")
            found = columns[self.column]
        return parse_int32_tokens(found) if self.as_tokens and isinstance(found, bytes) else found


def _source_of(dataset: Any, content: Content) -> Source:
    """The records of a data set; where their lengths can be known, as tokens."""
    if isinstance(dataset, PaddedDataset):
        inner = _source_of(dataset.dataset, content)
        return PaddedDataset(inner, dataset.full_dataset_length, dataset.column_name)
    if isinstance(dataset, ArrayRecordSource) and content.as_tokens and dataset.parse is raw_bytes:
        return dataset.parsed_by(parse_int32_tokens)
    if isinstance(dataset, list | tuple):
        return InMemorySource([content(record) for record in cast(Sequence[Any], dataset)])
    return as_source(dataset, content.column)

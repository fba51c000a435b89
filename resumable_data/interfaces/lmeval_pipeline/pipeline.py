"""Makes global batches of requests of the evaluation harness, on any number of processes."""

from __future__ import annotations

import logging

import jax
from etils import epath
from jax.sharding import Mesh

from resumable_data.digest import canonical_json, digest
from resumable_data.errors import PipelineError, PipelineMismatchError
from resumable_data.interfaces.lmeval_pipeline.batches import RequestBatches
from resumable_data.interfaces.lmeval_pipeline.indexing import as_map_dataset
from resumable_data.interfaces.lmeval_pipeline.parse import ParseLMEval
from resumable_data.interfaces.lmeval_pipeline.rows import RequestRows
from resumable_data.interfaces.lmeval_pipeline.tokens import RequestTokens, open_tokenizer
from resumable_data.interfaces.multihost_dataloading import MultiHostDataLoadIterator
from resumable_data.interfaces.multihost_dataloading.global_arrays import processes_of
from resumable_data.opaque import Indexable, JsonDict
from resumable_data.processes.agreement import PositionReport, agree, report_of_failure
from resumable_data.stages.fast_tokenizer import FastTokenizer

LOGGER = logging.getLogger("resumable_data.lmeval_pipeline")

_PURPOSE = "preparing requests to evaluate"


def lmeval_preprocessing_pipeline(
    dataloading_host_index: int,
    dataloading_host_count: int,
    global_mesh: Mesh,
    dataset: Indexable,
    global_batch_size: int,
    tokenizer_path: epath.PathLike | None,
    hf_access_token: str | None = None,
    tokenizer_cache_dir: epath.PathLike | None = None,
    eos_token_id: int | None = None,
    bos_token_id: int | None = None,
    worker_count: int = 1,
    worker_buffer_size: int = 1,
    padding_multiple: int = 128,
    use_thread_prefetch: bool = False,
    max_length: int | None = None,
) -> MultiHostDataLoadIterator:
    """Makes batches of requests to score, longest first, for ``loglikelihood`` and ``loglikelihood_rolling``.

    Each request is in exactly one row: BOS, its prefix, then its text. The targets of the text have segmentation 1,
    all others 0. ``document_idx`` is its place in ``dataset``, from 1. Rows of padding have 0 and score nothing. All
    processes tokenize all requests and sort them together, so every process knows every batch. With ``max_length`` a
    long request is split into rows, which ``sequence_idx`` numbers; see ``split_into_windows``.

    ``iterator.dataloader.sequences`` holds the number of rows of each request, for ``aggregate``.

    Args:
        dataloading_host_index: The index of this process, as ``jax.process_index()``.
        dataloading_host_count: The number of processes, as ``jax.process_count()``; it divides the global batch.
        global_mesh: The rows of a batch are divided among all its devices.
        dataset: The requests, the same on all processes: an object with ``len`` and ``[index]``. Each request has
            ``args``, like an ``Instance`` of the harness.
        global_batch_size: Rows a batch, over all processes. If the devices of a process do not divide its part, rows
            that score nothing are added.
        tokenizer_path: Folder, ``tokenizer.json`` or name of the tokenizer.
        hf_access_token: Access token of the Hugging Face Hub, for the tokenizer.
        tokenizer_cache_dir: Folder of downloaded tokenizers.
        eos_token_id: The EOS token, if the tokenizer names none. It comes first if there is no BOS token.
        bos_token_id: The BOS token, if the tokenizer names none.
        worker_count: A thread makes ``worker_count * worker_buffer_size`` batches ahead. The order does not depend on
            it.
        worker_buffer_size: See ``worker_count``.
        padding_multiple: The length of a batch is a multiple of this, or ``max_length``.
        use_thread_prefetch: Ignored: a thread makes batches ahead in any case.
        max_length: The most tokens of a row, for models with a limited context; None for no limit.

    Returns:
        The iterator. Each epoch is one pass over all requests. Its position can be restored on any number of
        processes.

    Raises:
        PipelineError: There are no requests, the number of processes does not divide the batch, or a setting is
            impossible.
        RecordError: A request has no text to score.
        PipelineMismatchError: The processes have different requests or settings.

    >>> import numpy as np
    >>> from types import SimpleNamespace as Request
    >>> requests = [Request(args=("a b", " c")), Request(args=("a",))]
    >>> mesh = Mesh(np.array(jax.devices()[:1]), "data")
    >>> batches = lmeval_preprocessing_pipeline(0, 1, mesh, requests, 2, None)
    Traceback (most recent call last):
    resumable_data.errors.PipelineError: tokenizer_path is None, but requests are text: pass a folder, ...
    """
    if worker_count < 0 or worker_buffer_size < 1:
        raise PipelineError(
            f"worker_count={worker_count} must be at least 0, and worker_buffer_size={worker_buffer_size} at least 1"
        )
    processes = processes_of(global_mesh)
    _check_hosts(dataloading_host_index, dataloading_host_count, processes)
    try:
        tokenizer, bos_id = open_tokenizer(
            tokenizer_path, hf_access_token, tokenizer_cache_dir, bos_token_id, eos_token_id
        )
        batches = RequestBatches(
            _rows(dataset, tokenizer, bos_id, max_length),
            global_batch_size=global_batch_size,
            host_index=dataloading_host_index,
            host_count=dataloading_host_count,
            padding_multiple=padding_multiple,
            rows_multiple=global_mesh.devices.size // len(processes),
            ahead=worker_count * worker_buffer_size,
        )
    except Exception as error:
        # The other processes wait for this one, so they must hear of its error.
        agree(_PURPOSE, processes, report_of_failure(error))
        raise
    _check_same(processes, batches.description())
    return MultiHostDataLoadIterator(
        batches,
        global_mesh,
        iterator_length=len(batches),
        dataset_size=batches.requests,
        reset_after_epoch=True,
    )


def _rows(dataset: Indexable, tokenizer: FastTokenizer, bos_id: int, max_length: int | None) -> RequestRows:
    indexed: Indexable = as_map_dataset(dataset).map_with_index(lambda index, request: {"idx": index, "req": request})
    parsed: Indexable = indexed.map(ParseLMEval())
    tokens = RequestTokens.of([parsed[place] for place in range(len(parsed))], tokenizer, bos_id)
    rows = RequestRows(tokens, max_length)
    if rows.cut:
        LOGGER.warning(
            "%d of %d requests, for example request %d, are longer than max_length=%s: the beginning of their prefix "
            "is left out",
            *(len(rows.cut), len(tokens), rows.cut[0], max_length),
        )
    return rows


def _check_same(processes: tuple[int, ...], description: JsonDict) -> None:
    """Raises PipelineMismatchError if the processes have different requests or settings."""
    try:
        agree(_PURPOSE, processes, PositionReport(None, 0, digest(canonical_json(description))))
    except PipelineMismatchError as error:
        raise PipelineMismatchError(
            f"{_PURPOSE}: the processes have different requests or settings; this one has {description}. Give all "
            "processes all requests in the same order, and the same tokenizer and settings",
            error.differences,
        ) from error


def _check_hosts(index: int, count: int, processes: tuple[int, ...]) -> None:
    """Raises PipelineError if index and count are not those of the mesh. A mesh of one process allows any."""
    if len(processes) > 1 and (index, count) != (processes.index(jax.process_index()), len(processes)):
        raise PipelineError(
            f"dataloading_host_index={index} of dataloading_host_count={count} is not this process: it has index "
            f"{processes.index(jax.process_index())} of {len(processes)} in the mesh. Pass jax.process_index() and "
            "jax.process_count()"
        )

"""From requests of the evaluation harness to global batches, on any number of processes."""

from __future__ import annotations

import logging
from typing import Any

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
from resumable_data.processes.agreement import PositionReport, agree, report_of_failure
from resumable_data.stages.fast_tokenizer import FastTokenizer

LOGGER = logging.getLogger("resumable_data.lmeval_pipeline")

_PURPOSE = "preparing requests to evaluate"


def lmeval_preprocessing_pipeline(
    dataloading_host_index: int,
    dataloading_host_count: int,
    global_mesh: Mesh,
    dataset: Any,
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
    """Batches of requests to be scored, longest first, for ``loglikelihood`` and ``loglikelihood_rolling``.

    Each request is in exactly one row: BOS, then what it gives, then what it scores, of which the targets have
    segmentation 1, and all else 0. ``document_idx`` is its place in ``dataset``, from 1; rows of padding have 0 and
    score nothing. All processes tokenise all requests, sort them together and so know every batch. With
    ``max_length`` a long request is split into rows, counted by ``sequence_idx``; see ``split_into_windows``.

    ``iterator.dataloader.sequences`` says how many rows each request has, which ``aggregate`` takes.

    Args:
        dataloading_host_index: This host, as ``jax.process_index()``.
        dataloading_host_count: How many hosts load data, as ``jax.process_count()``; it divides the global batch.
        global_mesh: The rows of a batch are divided among all its devices.
        dataset: The requests, the same on all hosts: anything with ``len`` and ``[index]``. Each has ``args``, as an
            ``Instance`` of the harness has.
        global_batch_size: Rows a batch, over all hosts. Where the devices of a host do not divide its part, rows that
            score nothing are added.
        tokenizer_path: Folder, ``tokenizer.json`` or name of the tokenizer.
        hf_access_token: Access token of the Hugging Face Hub, for the tokenizer.
        tokenizer_cache_dir: Where the tokenizer is kept when it is downloaded.
        eos_token_id: The EOS token, where the tokenizer names none. It comes first where there is no BOS token.
        bos_token_id: The BOS token, where the tokenizer names none.
        worker_count: With ``worker_buffer_size`` how many batches a thread makes ahead: the product of both. Nothing
            of the order depends on it.
        worker_buffer_size: See ``worker_count``.
        padding_multiple: The length of a batch is a multiple of this, or ``max_length``.
        use_thread_prefetch: Not needed: a thread makes batches ahead in any case.
        max_length: Most tokens of a row, for models with a limited context; None where there is no limit.

    Returns:
        The iterator. Each epoch is one pass over all requests; its position is saved and set on any number of hosts.

    Raises:
        PipelineError: There are no requests, the hosts do not divide the batch, or a setting is impossible.
        RecordError: A request has no text to score.
        PipelineMismatchError: The hosts have other requests or settings.

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
        # The other hosts wait for this one.
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


def _rows(dataset: Any, tokenizer: FastTokenizer, bos_id: int, max_length: int | None) -> RequestRows:
    indexed: Any = as_map_dataset(dataset).map_with_index(lambda index, request: {"idx": index, "req": request})
    parsed: Any = indexed.map(ParseLMEval())
    tokens = RequestTokens.of([parsed[place] for place in range(len(parsed))], tokenizer, bos_id)
    rows = RequestRows(tokens, max_length)
    if rows.cut:
        LOGGER.warning(
            "%d of %d requests give more than fits into max_length=%s beside what they score, request %d for one: "
            "the beginning is left out",
            *(len(rows.cut), len(tokens), max_length, rows.cut[0]),
        )
    return rows


def _check_same(processes: tuple[int, ...], description: dict[str, Any]) -> None:
    """All hosts have the same requests and settings."""
    try:
        agree(_PURPOSE, processes, PositionReport(None, 0, digest(canonical_json(description))))
    except PipelineMismatchError as error:
        raise PipelineMismatchError(
            f"{_PURPOSE}: not all hosts have the same requests and settings; this one has {description}. Give "
            "each of them all the requests, in one order, and the same tokenizer and settings",
            error.differences,
        ) from error


def _check_hosts(index: int, count: int, processes: tuple[int, ...]) -> None:
    """The hosts are the processes of the mesh; on a mesh of one process any of several can be looked at."""
    if len(processes) > 1 and (index, count) != (processes.index(jax.process_index()), len(processes)):
        raise PipelineError(
            f"this is host {index} of {count}, but the mesh has {len(processes)} processes, of which this is "
            f"number {processes.index(jax.process_index())}: pass jax.process_index() and jax.process_count()"
        )

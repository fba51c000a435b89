"""From requests to global batches: every request once, on any number of processes, and what is refused."""

from __future__ import annotations

import logging
from itertools import chain
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest
from jax.sharding import Mesh

import resumable_data as rd
from property_tests.testing.running import through_json
from property_tests.testing.toy_tokenizer import BOS_ID, EOS, EOS_ID, TEXT, alone
from resumable_data.lmeval_pipeline import LOGGER, aggregate, lmeval_preprocessing_pipeline
from resumable_data.multihost_dataloading import MultiHostDataLoadIterator


def mesh(devices: int = 8) -> Mesh:
    return Mesh(np.array(jax.devices()[:devices]), "data")


def request(*args: Any) -> Any:
    return SimpleNamespace(args=args)


def pipeline(requests: Any, tokenizer: str | None, host: int = 0, hosts: int = 1, **settings: Any) -> Any:
    given = {"global_batch_size": 8, "padding_multiple": 8, "worker_count": 0, **settings}
    return lmeval_preprocessing_pipeline(
        host, hosts, given.pop("mesh", mesh(1)), requests, tokenizer_path=tokenizer, **given
    )


def documents(batches: Any) -> list[int]:
    return sorted(number for batch in batches for number in np.asarray(batch.document_idx).tolist() if number)


def test_every_request_is_in_one_row(requests: list[Any], tokenizer: str) -> None:
    batches = pipeline(requests, tokenizer, mesh=mesh())

    assert isinstance(batches, MultiHostDataLoadIterator)
    assert (len(batches), batches.dataset_size) == (3, 23)
    for batch in batches:
        for row in range(8):
            number = int(batch.document_idx[row])
            scored = np.asarray(batch.targets)[row][np.asarray(batch.targets_segmentation)[row] != 0]
            if not number:
                assert not np.asarray(batch.targets_segmentation)[row].any()
                continue
            args = requests[number - 1].args
            assert scored.tolist() == alone(args[-1])
            prefix = alone(args[0]) if len(args) == 2 else []
            whole = [BOS_ID, *prefix, *alone(args[-1])]
            read = np.asarray(batch.inputs)[row][np.asarray(batch.inputs_segmentation)[row] != 0]
            assert read.tolist() == whole[:-1]
            positions = np.asarray(batch.inputs_position)[row].tolist()
            assert positions == [*range(len(read)), *[0] * (batch.inputs.shape[1] - len(read))]
    assert documents(batches) == list(range(1, 24))


def test_each_epoch_is_the_same_and_goes_on_where_it_was(requests: list[Any], tokenizer: str) -> None:
    batches = pipeline(requests, tokenizer, worker_count=1)
    expected = [batch.document_idx.tolist() for batch in batches]
    assert [batch.document_idx.tolist() for batch in batches] == expected

    next(iter(batches))
    state = through_json(batches.get_state())
    batches.close()
    for hosts in (1, 2):
        other = pipeline(requests, tokenizer, 0, hosts)
        other.set_state(state)
        rows = 8 // hosts
        assert [batch.document_idx.tolist() for batch in other] == [numbers[:rows] for numbers in expected[1:]]


@pytest.mark.parametrize("hosts", [1, 2, 4, 8])
def test_hosts_have_parts_of_the_same_batches(hosts: int, requests: list[Any], tokenizer: str) -> None:
    alone_ = [batch.document_idx.tolist() for batch in pipeline(requests, tokenizer)]
    parts = [list(pipeline(requests, tokenizer, host, hosts)) for host in range(hosts)]
    joined = [np.concatenate([part[step].document_idx for part in parts]).tolist() for step in range(3)]

    assert joined == alone_
    assert all(len({part[step].inputs.shape for part in parts}) == 1 for step in range(3))


def test_rows_that_devices_do_not_divide_are_padded(requests: list[Any], tokenizer: str) -> None:
    batches = pipeline(requests, tokenizer, mesh=mesh(), global_batch_size=5)

    assert {batch.inputs.shape[0] for batch in batches} == {8}
    assert documents(batches) == list(range(1, 24))


def test_an_eos_within_a_text_begins_nothing(tokenizer: str) -> None:
    text = f"{TEXT[0]}{EOS}{TEXT[1]}"
    (batch,) = pipeline([request(text)], tokenizer, global_batch_size=1)
    count = len(alone(text))

    assert EOS_ID in np.asarray(batch.inputs).tolist()[0]
    assert np.asarray(batch.inputs_segmentation)[0].sum() == count
    assert np.asarray(batch.inputs_segmentation).max() == 1
    assert np.asarray(batch.inputs_position)[0, :count].tolist() == list(range(count))
    assert np.asarray(batch.get_document_borders())[0, :count].tolist() == [True] + [False] * (count - 1)


def test_requests_without_text_have_a_row_that_scores_nothing(tokenizer: str) -> None:
    requests = [request(""), request("", ""), request("a", ""), request("a")]
    (batch,) = pipeline(requests, tokenizer, global_batch_size=4)

    scored = dict(
        zip(batch.document_idx.tolist(), np.asarray(batch.targets_segmentation).sum(1).tolist(), strict=True)
    )
    assert scored == {1: 0, 2: 0, 3: 0, 4: len(alone("a"))}


def test_no_row_is_longer_than_the_model_takes(requests: list[Any], tokenizer: str) -> None:
    shapes = {batch.inputs.shape[1] for batch in pipeline(requests, tokenizer, padding_multiple=16, max_length=24)}

    assert shapes == {16, 24}


@pytest.mark.parametrize("hosts", [1, 2, 4])
def test_windows_score_each_token_once(hosts: int, requests: list[Any], tokenizer: str) -> None:
    rows: dict[tuple[int, int], list[int]] = {}
    for host in range(hosts):
        batches = pipeline(requests, tokenizer, host, hosts, max_length=8)
        for batch in batches:
            assert batch.inputs.shape[1] == 8
            for row in range(len(batch)):
                key = (int(batch.document_idx[row]), int(batch.sequence_idx[row]))
                mask = np.asarray(batch.targets_segmentation)[row] != 0
                assert not key[0] or key not in rows
                rows[key] = np.asarray(batch.targets)[row][mask].tolist()
    sequences = batches.dataloader.sequences.tolist()

    assert max(sequences) > 2
    for place, asked in enumerate(requests):
        scored = [rows[place + 1, sequence] for sequence in range(sequences[place])]
        assert list(chain.from_iterable(scored)) == alone(asked.args[-1])


def test_a_prefix_that_is_cut_is_said(tokenizer: str, caplog: pytest.LogCaptureFixture) -> None:
    requests = [request("a", "b"), request(TEXT[0], "b")]
    with caplog.at_level(logging.WARNING, LOGGER.name):
        pipeline(requests, tokenizer)
        assert not caplog.records
        pipeline(requests, tokenizer, max_length=8)
    assert "1 of 2 requests, for example request 1, are longer than max_length=8" in caplog.text


def test_anything_with_random_access_is_a_data_set(tokenizer: str) -> None:
    class Requests:
        def __len__(self) -> int:
            return 3

        def __getitem__(self, place: int) -> Any:
            return request("a " * (place + 1))

    assert documents(pipeline(Requests(), tokenizer)) == [1, 2, 3]


def test_rows_and_batches_go_through_aggregation(requests: list[Any], tokenizer: str) -> None:
    batches = pipeline(requests, tokenizer, max_length=8)
    columns: list[list[np.ndarray]] = []
    for batch in batches:
        mask = np.asarray(batch.targets_segmentation) != 0
        sums = np.where(mask, np.asarray(batch.targets), 0).sum(1)
        counts = mask.sum(1)
        columns.append([np.asarray(batch.document_idx), np.asarray(batch.sequence_idx), -sums, counts, counts])
    joined = [np.concatenate(column) for column in zip(*columns, strict=True)]
    scores = aggregate(*joined, batches.dataloader.sequences)

    for score, asked in zip(scores, requests, strict=True):
        tokens = alone(asked.args[-1])
        assert score == (-sum(tokens), True, len(tokens))


def test_bad_input_is_refused(tokenizer: str) -> None:
    requests = [request("a")] * 3
    with pytest.raises(rd.PipelineError, match="there are no requests"):
        pipeline([], tokenizer)
    with pytest.raises(rd.PipelineError, match="global_batch_size=8 cannot be divided among 3 processes"):
        pipeline(requests, tokenizer, 0, 3)
    with pytest.raises(rd.PipelineError, match="tokenizer_path is None"):
        pipeline(requests, None)
    with pytest.raises(rd.RecordError, match="request 1 is generate_until"):
        pipeline([request("a"), SimpleNamespace(args=("a", {}), request_type="generate_until")], tokenizer)
    with pytest.raises(rd.PipelineError, match="worker_count=-1"):
        pipeline(requests, tokenizer, worker_count=-1)
    with pytest.raises(rd.PipelineError, match="max_length=0"):
        pipeline(requests, tokenizer, max_length=0)
    with pytest.raises(rd.PipelineError, match="no process 1: 1 processes"):
        pipeline(requests, tokenizer, 1, 1)

"""Ids that no token has, wherever rows are made of documents."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tokenizers

import resumable_data as rd
from resumable_data.arrays import Ragged
from resumable_data.reading.token_ids import ANY_TOKEN, TokenIds

Rows = Callable[[rd.Dataset[Any], int | None], rd.Dataset[rd.LLMBatch]]

ROWS: dict[str, Rows] = {
    "pad": lambda data, size: data.pad(4, eod_id=0, vocab_size=size),
    "pack": lambda data, size: data.pack(4, eod_id=0, window=2, vocab_size=size),
    "a mix of documents": lambda data, size: rd.mix({"a": data, "b": data}).pack(4, eod_id=0, vocab_size=size),
    "a mix of rows": lambda data, size: rd.mix({"a": data.pad(4, eod_id=0, vocab_size=size)}),
}


def in_memory(bad: int) -> rd.Dataset[Any]:
    return rd.Dataset.from_source(rd.InMemorySource([[1, 2, 3], [4, 5], [6, 7, bad, 8], [9]], name="mine"))


def delivered(rows: rd.Dataset[rd.LLMBatch]) -> set[int]:
    return {token for batch in rows.batch(1) for token in batch.targets[batch.inputs_segmentation > 0].tolist()}


@pytest.mark.parametrize("kind", ROWS)
@pytest.mark.parametrize(
    ("bad", "size", "message"),
    [
        (-100, None, "holds the id -100 at place 2: ids are not negative. To leave"),
        (-1, 11, "holds the id -1 at place 2: ids are not negative"),
        (11, 11, "holds the id 11 at place 2: ids are 0 to 10 (vocab_size=11)"),
        (50_000, 12, "holds the id 50000 at place 2: ids are 0 to 11 (vocab_size=12)"),
    ],
)
def test_an_id_that_no_token_has_is_named(kind: str, bad: int, size: int | None, message: str) -> None:
    with pytest.raises(rd.RecordError, match=r"mine \(4 records\), record 2 " + re.escape(message)):
        delivered(ROWS[kind](in_memory(bad), size))


@pytest.mark.parametrize("kind", ROWS)
@pytest.mark.filterwarnings("ignore:documents have ids of 1048576 and more")
def test_the_largest_id_is_a_token(kind: str) -> None:
    assert delivered(ROWS[kind](in_memory(10), 11)) == {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
    assert max(delivered(ROWS[kind](in_memory(2**31 - 1), None))) == 2**31 - 1


def test_a_record_with_such_an_id_is_a_bad_record() -> None:
    data = in_memory(77).skip_bad_records(at_most=1).append_eod(10)
    batches = iter(data.pad(5, eod_id=10, vocab_size=11).batch(1, shards=1))

    assert [batch.targets[0].tolist() for batch in batches] == [[1, 2, 3, 10, 0], [4, 5, 10, 0, 0], [9, 10, 0, 0, 0]]
    assert batches.progress().dropped == 1


def test_fields_go_with_ids_that_are_checked() -> None:
    records = [{"tokens": [1, 2], "loss_mask": [0, 1]}, {"tokens": [3, 9], "loss_mask": [1, 1]}]
    rows = rd.Dataset.from_source(rd.InMemorySource(records)).pad(2, eod_id=0, fields=["loss_mask"], vocab_size=9)

    with pytest.raises(rd.RecordError, match="record 1 holds the id 9 at place 1"):
        list(rows)


def words() -> tokenizers.Tokenizer:
    vocabulary = {"a": 0, "b": 1, "c": 5}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="a"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    return tokenizer


def shifted(tokens: Any) -> Any:
    return np.asarray(tokens) + 3


def test_a_tokenizer_knows_how_many_there_are() -> None:
    text = rd.Dataset.from_source(rd.InMemorySource([{"text": "a b"}, {"text": "c b"}]))
    data = text.tokenize(words(), column="text", eod_id=6)

    assert delivered(data.pad(4)) == {0, 1, 5, 6}
    with pytest.raises(rd.RecordError, match=r"record 0 holds the id 9 at place 2: ids are 0 to 6 \(those of"):
        delivered(data.map(shifted).pad(4))
    assert delivered(data.map(shifted).pad(4, vocab_size=10)) == {3, 4, 8, 9}


def test_it_decides_no_order_and_may_change() -> None:
    iterator = iter(in_memory(10).pad(4, eod_id=0).batch(1))
    next(iterator)
    resumed = iter(in_memory(10).pad(4, eod_id=0, vocab_size=11).batch(1))
    resumed.set_state(iterator.get_state())

    assert next(resumed).targets.tolist() == next(iterator).targets.tolist()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"vocab_size": 0}, "vocab_size=0 must be from 1"),
        ({"vocab_size": 2**31 + 1}, "must be from 1 to 2"),
        ({"vocab_size": 10, "eod_id": 10}, "eod_id=10 is not one of the ids 0 to 9"),
        ({"vocab_size": 10, "pad_id": 11}, "pad_id=11 is not one of the ids 0 to 9"),
    ],
)
@pytest.mark.parametrize("method", ["pack", "pad"])
def test_impossible_settings_are_refused(method: str, settings: dict[str, int], message: str) -> None:
    with pytest.raises(rd.PipelineError, match=message):
        getattr(in_memory(1), method)(4, **{"eod_id": 0, **settings})


def test_cells_that_are_no_documents_are_not_looked_at() -> None:
    tokens = Ragged(np.array([1, -7, 2, -7], np.int32), np.array([0, 2]), np.array([1, 1]), spare=1)

    ANY_TOKEN.check(tokens, str)
    with pytest.raises(rd.RecordError, match=r"^1 holds the id 2 at place 0"):
        TokenIds(2).check(tokens, str)


def test_ids_of_which_no_vocabulary_has_so_many_are_warned_of() -> None:
    uint16 = np.arange(1, 41, dtype=np.uint16) * 99
    documents = Ragged.from_records([uint16.view(np.int32)])

    with pytest.warns(UserWarning, match=r"pass the parse= they were written for, as parse_uint16_tokens"):
        TokenIds().check(documents, "document {}".format)
    with pytest.raises(rd.RecordError, match=r"holds the id \d+ at place 0: ids are 0 to 49999"):
        TokenIds(50_000).check(documents, "document {}".format)


@pytest.mark.filterwarnings("error")
def test_ids_of_which_there_are_known_to_be_so_many_are_not() -> None:
    documents = Ragged.from_records([[2**20, 2**21]])

    TokenIds(2**22).check(documents, "document {}".format)
    TokenIds().check(Ragged.from_records([[2**20 - 1, 0]]), "document {}".format)

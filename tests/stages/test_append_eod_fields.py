from typing import Any

import numpy as np
import pytest

import resumable_data as rd
from resumable_data.reading.documents import Documents
from resumable_data.reading.fields import TokenFields
from resumable_data.reading.reader import DocumentReader

MASK = TokenFields("tokens", (("loss_mask", "int32"),))


def document(*tokens: int, **more: object) -> dict[str, object]:
    return {"tokens": list(tokens), "loss_mask": [token % 2 for token in tokens], **more}


def documents(*records: object) -> rd.Dataset[Any]:
    return rd.Dataset.from_source(rd.InMemorySource(list(records), name="answers"))


def reader(data: rd.Dataset[Any], fields: TokenFields = MASK) -> DocumentReader:
    return data.node.reader(fields)


def shown(found: Documents, name: str = "loss_mask") -> list[tuple[list[int], list[Any]]]:
    assert found.tokens.fields is not None
    cells = found.tokens.fields[name]
    return [
        (tokens.tolist(), cells[start : start + len(tokens)].tolist())
        for tokens, start in zip(found.tokens, found.tokens.starts.tolist(), strict=True)
    ]


def test_tokens_and_fields_are_closed_together() -> None:
    data = documents(document(1, 2), document(), document(3)).append_eod(9, fields={"loss_mask": 1})

    assert shown(reader(data.append_eod(8, fields={"loss_mask": 0})).read_tokens(np.array([2, 0, 1]))) == [
        ([3, 9, 8], [1, 1, 0]),
        ([1, 2, 9, 8], [1, 0, 1, 0]),
        ([9, 8], [1, 0]),
    ]


@pytest.mark.parametrize(
    ("appended", "taken"),
    [
        ({"loss_mask": 1}, {"loss_mask": "bool"}),
        ({"loss_mask": True}, {"loss_mask": "uint8"}),
        ({"loss_mask": 1, "weight": 0.1}, {"loss_mask": "int32", "weight": "float16"}),
        ({"loss_mask": 1, "weight": 0.1}, {"weight": "float32"}),
        ({"loss_mask": 0.5}, {"loss_mask": "float32"}),
        ({"loss_mask": 1}, {}),
        # Nothing is appended to what has a value for the token already.
        ({"loss_mask": 1}, {"loss_mask": "int32", "one_more": "int32"}),
        ({}, {"one_more": "int32"}),
    ],
)
def test_what_is_closed_at_once_is_what_documents_are_closed_to(
    appended: dict[str, float], taken: dict[str, str]
) -> None:
    records = [
        document(*tokens, weight=[0.3 * token for token in tokens], one_more=[*tokens, 4])
        for tokens in ([], [1], [1, 2])
    ]
    fields = TokenFields("tokens", tuple(sorted(taken.items())))
    closed = reader(documents(*records).append_eod(9, fields=appended, tokens="tokens"), fields)

    found = closed.read_tokens(np.arange(3))
    expected = closed.read(np.arange(3)).as_tokens(fields, str)

    assert (
        [tokens.tolist() for tokens in found] == [tokens.tolist() for tokens in expected] == [[9], [1, 9], [1, 2, 9]]
    )
    for name, dtype in taken.items():
        assert shown(found, name) == shown(expected, name)
        assert found.tokens.fields is not None
        assert found.tokens.fields[name].dtype == dtype


def test_other_tokens_than_those_that_are_closed_stay_as_they_are() -> None:
    closed = documents(document(1, 2, ids=[5, 6, 7])).append_eod(9, fields={"loss_mask": 1})

    found = reader(closed, TokenFields("ids", MASK.dtypes)).read_tokens(np.arange(1))
    assert shown(found) == [([5, 6, 7], [1, 0, 1])]


@pytest.mark.parametrize(
    ("bad", "appended", "message"),
    [
        (document(1, 2, loss_mask=[1]), {"loss_mask": 1}, "field 'loss_mask' has 1 values, but the document has 2"),
        (document(1, loss_mask=[[1]]), {"loss_mask": 1}, r"field 'loss_mask' has the shape \(1, 1\)"),
        (document(1, loss_mask=[[1], [1, 2]]), {"loss_mask": 1}, "field 'loss_mask' is not an array"),
        ({"tokens": [1]}, {"loss_mask": 1}, "has no 'loss_mask'; its keys are 'tokens'"),
        (document(1), {"loss_mask": 0.5}, "field 'loss_mask' holds float64, which int32 cannot"),
        (document(1), {"loss_mask": 2**40}, "field 'loss_mask' holds the value 1099511627776"),
        (document(1), {"loss_mask": 1, "weight": 1}, "has no 'weight'; its keys are 'tokens', 'loss_mask'"),
        (document(1, weight=[[1]]), {"loss_mask": 1, "weight": 1}, r"field 'weight' has the shape \(1, 1\)"),
        (document(1, weight=[[1], []]), {"loss_mask": 1, "weight": 1}, "field 'weight' is not an array"),
        (document(1), {"weight": 1}, "has no 'weight'"),
        (document(1, weight=[1]), {"weight": 1}, "field 'loss_mask' has 1 values, but the document has 2 tokens"),
    ],
)
def test_a_bad_document_is_named(bad: dict[str, object], appended: dict[str, float], message: str) -> None:
    closed = reader(documents(document(1, 2, weight=[1, 1]), bad).append_eod(9, fields=appended))

    with pytest.raises(rd.RecordError, match=rf"answers \(2 records\), record 1\b.*{message}"):
        closed.read_tokens(np.array([1]))


def test_a_field_that_is_no_array_is_named_in_documents_too() -> None:
    data = documents(document(1, loss_mask=[[1], [1, 2]])).append_eod(9, fields={"loss_mask": 1})

    with pytest.raises(rd.RecordError, match="record 0: field 'loss_mask' is not an array"):
        list(data)


def test_what_rows_do_not_take_is_not_asked_of_a_record_that_is_left_out() -> None:
    data = documents(document(1, weight=[1]), document(2, 3, loss_mask=[[1], [1, 2]]), document(4, weight=[1]))
    closed = reader(data.skip_bad_records(at_most=1).append_eod(9, fields={"loss_mask": 1, "weight": 0}))

    assert shown(closed.read_tokens(np.arange(3))) == [([1, 9], [1, 1]), ([], []), ([4, 9], [0, 1])]

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumable_data.digest import callable_name
from resumable_data.errors import RecordError
from resumable_data.sources.parse import (
    BatchParser,
    TokenParser,
    parse_int32_tokens,
    parse_int64_tokens,
    parse_uint16_tokens,
    warn_of_wider_tokens,
)

tokens = st.lists(st.integers(-(2**31), 2**31 - 1), max_size=8)


def to_bytes(document: list[int]) -> bytes:
    return np.array(document, "<i4").tobytes()


@given(st.lists(tokens, max_size=8))
def test_documents_come_back_as_they_were_written(documents: list[list[int]]) -> None:
    parsed = parse_int32_tokens.batch([to_bytes(document) for document in documents])
    assert [document.tolist() for document in parsed] == documents
    assert parsed.lengths.tolist() == [len(document) for document in documents]
    assert [parse_int32_tokens(to_bytes(document)).tolist() for document in documents] == documents
    assert parsed.values.dtype == np.int32


@given(st.lists(tokens, max_size=8), st.integers(-(2**31), 2**31 - 1))
def test_a_token_can_be_written_behind_each_document(documents: list[list[int]], eod_id: int) -> None:
    parsed = parse_int32_tokens.batch([to_bytes(document) for document in documents])
    assert parsed.spare == 1
    parsed.values[parsed.starts + parsed.lengths] = eod_id
    longer = [
        parsed.values[start : start + length + 1].tolist()
        for start, length in zip(parsed.starts.tolist(), parsed.lengths.tolist(), strict=True)
    ]
    assert longer == [[*document, eod_id] for document in documents]


def test_writing_to_a_document_leaves_its_record_alone() -> None:
    record = to_bytes([1, 2])
    parse_int32_tokens(record)[:] = 7
    assert record == to_bytes([1, 2])


@pytest.mark.parametrize("size", [1, 2, 3, 5, 4095])
def test_a_record_of_broken_tokens_is_refused(size: int) -> None:
    for parse in (parse_int32_tokens, lambda record: parse_int32_tokens.batch([b"1234", record])):
        with pytest.raises(RecordError, match=rf"{size} bytes.* not a multiple of 4"):
            parse(bytes(size))


def test_raw_tokens_are_parsed_in_batches() -> None:
    assert isinstance(parse_int32_tokens, BatchParser)
    assert not isinstance(bytes.decode, BatchParser)
    assert isinstance(parse_uint16_tokens, BatchParser)


@pytest.mark.parametrize(
    ("parse", "dtype", "documents"),
    [
        (parse_uint16_tokens, "<u2", [[1, 2, 65_535], [], [0]]),
        (parse_int64_tokens, "<i8", [[1, 2**31 - 1], [], [3]]),
    ],
)
def test_tokens_of_other_widths(parse: BatchParser, dtype: str, documents: list[list[int]]) -> None:
    parsed = parse.batch([np.array(document, dtype).tobytes() for document in documents])

    assert [document.tolist() for document in parsed] == documents
    assert parsed.values.dtype == np.int32
    parsed.values[parsed.starts + parsed.lengths] = 7
    assert [document.tolist() for document in parsed] == documents
    assert parse(np.array([5, 6], dtype).tobytes()).tolist() == [5, 6]


def test_a_width_that_does_not_fit_names_those_that_do() -> None:
    with pytest.raises(RecordError, match=r"6 bytes are not a multiple of 4.*int32 tokens; uint16 would fit"):
        parse_int32_tokens(bytes(6))
    with pytest.raises(RecordError, match=r"12 bytes are not a multiple of 8.*; uint16 or int32 would fit"):
        parse_int64_tokens(bytes(12))


def test_a_wide_token_that_int32_cannot_hold_is_refused() -> None:
    for token in (2**31, -(2**31) - 1):
        with pytest.raises(RecordError, match=f"the token {token}, which int32 cannot hold"):
            parse_int64_tokens(np.array([1, token], "<i8").tobytes())


def test_each_parser_counts_by_its_own_name() -> None:
    parsers = (parse_int32_tokens, parse_int64_tokens, parse_uint16_tokens)
    names = {callable_name(parse, None, None) for parse in parsers}

    assert len(names) == 3
    assert "resumable_data.sources.parse.Int32TokenParser" in names


@pytest.mark.parametrize(
    ("parser", "written", "advice"),
    [
        (parse_int32_tokens, "int64", "parse_int64_tokens"),
        (parse_uint16_tokens, "int32", "parse_int32_tokens"),
        (parse_int32_tokens, "int32", None),
        (parse_uint16_tokens, "uint16", None),
        (parse_int64_tokens, "int64", None),
    ],
)
def test_tokens_of_a_wider_type_are_warned_of(parser: TokenParser, written: str, advice: str | None) -> None:
    documents = parser.batch([np.arange(1, 9, dtype=written).tobytes()])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_wider_tokens(parser, documents, "web.arecord")

    assert [str(one.message).rpartition("parse=")[2] for one in caught] == ([] if advice is None else [advice])

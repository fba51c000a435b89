"""Lengths as bytes, and bytes that are damaged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumable_data.delivered import COUNTED
from resumable_data.processes.length_codec import decode_lengths, encode_lengths

LARGEST = 2**63 - 2
# Each size in bytes, and numbers on both sides of where it changes.
edges = st.integers(0, 62).flatmap(lambda bits: st.integers(-2, 1).map(lambda more: min(2**bits + more, LARGEST)))
lengths = st.lists(st.one_of(st.integers(-1, 4000), edges, st.integers(-1, LARGEST)))


@given(lengths, st.booleans())
def test_what_is_encoded_comes_back(values: list[int], counted: bool) -> None:
    numbers = [[abs(value) // place for place in range(1, len(COUNTED) + 1)] for value in reversed(values)]
    given = np.array(numbers, np.int64).reshape(-1, len(COUNTED)) if counted else None
    body = encode_lengths(np.array(values, np.int64), given)
    found, counts = decode_lengths(body, len(values))

    assert found.dtype == np.int64
    assert found.tolist() == values
    if given is None or not given.any():
        assert counts is None
    else:
        assert counts is not None
        assert counts.tolist() == numbers


def test_a_document_takes_a_byte_or_two() -> None:
    assert len(encode_lengths(np.full(256, 126))) == 1 + 256
    assert len(encode_lengths(np.full(256, 127))) == 1 + 2 * 256
    assert len(encode_lengths(np.full(256, 16382))) == 1 + 2 * 256
    assert len(encode_lengths(np.full(256, 2048), np.zeros((256, 2), np.int64))) == 1 + 2 * 256


def test_the_bytes_stay_the_same_in_later_releases() -> None:
    body = encode_lengths(np.array([-1, 0, 126, 127, 16383]), np.array([[0, 0, 0, 5, 300], [0, 2, 0, 0, 1]]).T)
    assert body.hex(" ") == "01 00 01 7f 80 01 80 80 01 00 00 00 02 00 00 05 00 ac 02 01"


@pytest.mark.parametrize(
    ("body", "n", "words"),
    [
        (b"", 0, "not lengths of documents of version 1"),
        (b"\x02\x01", 1, "not lengths of documents of version 1"),
        (b"\x01\x01\x80", 1, "end in the middle of a number"),
        (b"\x01\x80", 1, "end in the middle of a number"),
        (b"\x01\x01\x01\x01", 2, "2 documents have 2 or 6 numbers, but these bytes hold 3"),
        (b"\x01\x01", 0, "these bytes hold 1"),
        (b"\x01" + b"\xff" * 9 + b"\x01", 1, "a length takes 10 bytes"),
    ],
)
def test_damaged_bytes_are_refused(body: bytes, n: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        decode_lengths(body, n)


@given(st.binary(), st.integers(0, 20))
def test_any_bytes_are_lengths_or_refused(body: bytes, n: int) -> None:
    try:
        found, counts = decode_lengths(body, n)
    except ValueError:
        return
    assert len(found) == n
    assert found.min(initial=-1) >= -1
    assert counts is None or (len(counts) == n and counts.min() >= 0)


@pytest.mark.parametrize(
    ("values", "counts", "words"),
    [
        ([-2], None, "at least -1"),
        ([1], [[-1, 0]], "at least -1"),
        ([1], [[1, 2], [3, 4]], r"the counts of 1 documents have the shape \(1, 2\), not \(2, 2\)"),
        ([1], [[1]], r"the counts of 1 documents have the shape \(1, 2\), not \(1, 1\)"),
        ([1, 1], [[0], [0]], r"the counts of 2 documents have the shape \(2, 2\), not \(2, 1\)"),
    ],
)
def test_what_is_not_a_length_is_not_encoded(values: list[int], counts: list[list[int]] | None, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        encode_lengths(np.array(values), None if counts is None else np.array(counts))

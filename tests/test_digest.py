import functools
import math
import os
import subprocess
import sys
from collections import OrderedDict, UserDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumable_data.digest import callable_name, canonical_json, content_digest, digest

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=8,
)


def parse(record: bytes) -> bytes:
    return record


@dataclass(frozen=True)
class Page:
    text: str
    links: tuple[str, ...] = ()


class Tensor:
    """An array of another library."""

    def __init__(self, values: list[int]) -> None:
        self.values = values

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        return np.array(self.values)


class Parser:
    def __call__(self, record: bytes) -> bytes:
        return record

    def method(self, record: bytes) -> bytes:
        return record

    @classmethod
    def of_class(cls, record: bytes) -> bytes:
        return record

    @staticmethod
    def static(record: bytes) -> bytes:
        return record


@functools.cache
def cached(record: bytes) -> bytes:
    return record


@given(json_values, json_values)
def test_canonical_texts_are_equal_where_values_are(one: object, other: object) -> None:
    assert (canonical_json(one) == canonical_json(other)) == (repr_of(one) == repr_of(other))


def repr_of(value: object) -> str:
    """Python's own text of a value, with the keys of mappings sorted; it tells 1 from True."""
    if isinstance(value, dict):
        return repr(sorted((key, repr_of(inner)) for key, inner in value.items()))
    return f"list {list(map(repr_of, value))}" if isinstance(value, list) else repr(value)


def test_a_canonical_text_is_short_ascii_in_the_order_of_the_keys() -> None:
    text = canonical_json({"b": [1, 2.5, None], "a": {"z": True, "é": "世"}})
    assert text == '{"a":{"z":true,"\\u00e9":"\\u4e16"},"b":[1,2.5,null]}'


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_numbers_that_json_lacks_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        canonical_json([value])


@given(st.lists(st.binary(), max_size=4), st.lists(st.binary(), max_size=4))
def test_digests_are_equal_where_the_parts_are(one: list[bytes], other: list[bytes]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)


def test_a_digest_is_blake2b_of_the_parts_with_their_lengths() -> None:
    assert digest() == "e4a6a0577479b2b4"
    assert digest("é") == digest("é".encode())
    assert digest("ab", "c") != digest("a", "bc")


@pytest.mark.parametrize("size", [1, 8, 32])
def test_a_digest_has_two_hexadecimal_digits_a_byte(size: int) -> None:
    assert len(bytes.fromhex(digest("part", size=size))) == size


DIFFERENT_CONTENTS = [
    None,
    True,
    False,
    0,
    1,
    1.0,
    "1",
    b"1",
    "",
    b"",
    [],
    {},
    [1],
    [[1]],
    [1, 2],
    [2, 1],
    {"a": 1},
    {"a": 2},
    {"b": 1},
    {"a": 1, "b": 2},
    {"a": 2, "b": 1},
    np.array([1, 2]),
    np.array([2, 1]),
    np.array([1, 2], np.int32),
    np.zeros(1),
    np.zeros(1, np.int64),
    np.array([[1, 2]]),
    np.array([[1], [2]]),
    np.int64(1),
    np.float32(1),
    object(),
    Parser(),
    Parser,
    {1},
    {1, 2},
    Page("a"),
    Page("b"),
    Page("a", ("b",)),
]


def test_different_contents_have_different_digests() -> None:
    assert len({content_digest(content) for content in DIFFERENT_CONTENTS}) == len(DIFFERENT_CONTENTS)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1, 2], (1, 2)),
        (b"ab", bytearray(b"ab")),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a": 1}, OrderedDict(a=1)),
        ({"a": 1}, UserDict(a=1)),
        (np.arange(6)[::2], np.array([0, 2, 4])),
        (np.arange(6).reshape(2, 3).T, np.array([[0, 3], [1, 4], [2, 5]])),
        (np.int64(3), np.array(3)),
        (Parser(), Parser()),
        (range(3), [0, 1, 2]),
        ({1, 9, 17}, frozenset([17, 9, 1])),
        (Tensor([1, 2]), np.array([1, 2])),
        (Page("a"), Page("a")),
    ],
)
def test_equal_contents_have_equal_digests(one: object, other: object) -> None:
    assert content_digest(one) == content_digest(other)


def test_what_cannot_be_seen_into_is_left_to_the_caller() -> None:
    seen: list[object] = []

    def note(value: object) -> str:
        seen.append(value)
        return ""

    one, other = Parser(), object()
    content_digest({"a": [1, one], "b": (Page(other), Tensor([1]))}, note)  # type: ignore[arg-type]

    assert seen == [one, other]


def test_digests_are_the_same_in_every_process() -> None:
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            "from resumable_data.digest import content_digest as of; print(of({'a': ['x', 1, 2.5, None, b'y']}))",
        ],
        env={**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=True,
        text=True,
    )
    assert run.stdout.strip() == content_digest({"a": ["x", 1, 2.5, None, b"y"]})


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (parse, "parse"),
        (cached, "cached"),
        (Parser(), "Parser"),
        (Parser, "Parser"),
        (Parser().method, "Parser.method"),
        (Parser.method, "Parser.method"),
        (Parser.of_class, "Parser.of_class"),
        (Parser.static, "Parser.static"),
    ],
)
def test_a_callable_counts_by_its_qualified_name(function: Callable, name: str) -> None:
    assert callable_name(function, None, None) == f"{__name__}.{name}"
    assert callable_name(function, None, "2") == f"{__name__}.{name}@2"


@pytest.mark.parametrize(
    ("function", "name"), [(len, "builtins.len"), (math.sqrt, "math.sqrt"), (int, "builtins.int")]
)
def test_builtins_count_by_their_module(function: Callable, name: str) -> None:
    assert callable_name(function, None, None) == name


def test_a_function_within_another_counts_by_both_names() -> None:
    def inner() -> None: ...

    assert callable_name(inner, None, None).endswith(
        "test_a_function_within_another_counts_by_both_names.<locals>.inner"
    )


@pytest.mark.parametrize(
    "function",
    [lambda record: record, functools.partial(parse), functools.partial(lambda record: record)],
    ids=["lambda", "partial", "partial of a lambda"],
)
def test_what_has_no_lasting_name_needs_one(function: Callable) -> None:
    with pytest.raises(ValueError, match="has no lasting name"):
        callable_name(function, None, "1")
    assert callable_name(function, "mine", None) == "mine"
    assert callable_name(function, "mine", "2") == "mine@2"


def test_a_given_name_goes_before_the_qualified_one() -> None:
    assert callable_name(parse, "mine", "2") == "mine@2"


def test_object_arrays_have_the_same_digest_in_every_process():
    program = (
        "import numpy as np; from resumable_data.digest import content_digest as of;"
        "print(of(np.array(['a b c', 12345678, None], object)))"
    )
    found = {
        subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout
        for _ in range(3)
    }
    assert len(found) == 1

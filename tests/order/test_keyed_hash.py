import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumable_data.order.keyed_hash import derive_key, mix64

SPLIT_MIX_64_OF_1234567 = [
    6457827717110365317,
    3203168211198807973,
    9817491932198370423,
    4593380528125082431,
    16408922859458223821,
]
GOLDEN_GAMMA = 0x9E3779B97F4A7C15

parts = st.lists(st.one_of(st.integers(), st.text(st.characters(codec="utf-8"))), max_size=4)


def unmix64(value: int) -> int:
    """The inverse of mix64, one step at a time."""
    value = unshift(value, 31) * pow(0x94D049BB133111EB, -1, 2**64) % 2**64
    value = unshift(value, 27) * pow(0xBF58476D1CE4E5B9, -1, 2**64) % 2**64
    return unshift(value, 30)


def unshift(value: int, by: int) -> int:
    found = value
    for _ in range(64 // by):
        found = value ^ found >> by
    return found


def test_mix64_is_the_finaliser_of_split_mix() -> None:
    states = [(1234567 + (step + 1) * GOLDEN_GAMMA) % 2**64 for step in range(5)]
    assert mix64(np.array(states, np.uint64)).tolist() == SPLIT_MIX_64_OF_1234567


@given(st.lists(st.integers(0, 2**64 - 1), max_size=50))
def test_mix64_can_be_inverted(values: list[int]) -> None:
    assert [unmix64(mixed) for mixed in mix64(np.array(values, np.uint64)).tolist()] == values


def test_every_input_bit_reaches_every_output_bit() -> None:
    values = np.random.default_rng(1).integers(0, 2**64, 10_000, np.uint64)
    for bit in range(64):
        changed = mix64(values) ^ mix64(values ^ np.uint64(1 << bit))
        flips = np.unpackbits(changed.view(np.uint8).reshape(-1, 8), axis=1).sum(axis=0)
        # Binomial(10,000, 1/2): a standard deviation is 50 flips.
        assert np.abs(flips.astype(np.int64) - 5000).max() < 6 * 50, bit


@pytest.mark.parametrize("shape", [(0,), (7,), (2, 3)])
def test_mix64_keeps_shape_and_argument(shape: tuple[int, ...]) -> None:
    values = np.arange(np.prod(shape), dtype=np.uint64).reshape(shape)
    mixed = mix64(values)
    assert mixed.shape == shape
    assert mixed.dtype == np.uint64
    assert np.array_equal(values.ravel(), np.arange(values.size))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("shuffle", 7, "web", 1), ("shuffle", 8, "web", 0)),
        (("shuffle", 7, "web"), ("pack", 7, "web")),
        (("shuffle", "ab", "c"), ("shuffle", "a", "bc")),
        (("shuffle", "as", "b"), ("shuffle", "a", "sb")),
        (("shuffle", "a1:", "b"), ("shuffle", "a", "1:b")),
        (("shuffle", 1, 2), ("shuffle", 12)),
        (("shuffle", 1), ("shuffle", "1")),
        (("shuffle", 1), ("shuffle", -1)),
        (("shuffle", 1), ("shuffle", 2**64 + 1)),
        (("shuffle",), ("shuffle", "")),
        (("shuffle", ""), ("shuffle", "", "")),
        (("shuffle", "i1:1"), ("shuffle", 1)),
        (("a", "b"), ("b", "a")),
    ],
)
def test_keys_of_different_purposes_and_parts_have_nothing_in_common(one: tuple, other: tuple) -> None:
    assert not set(derive_key(*one, words=4)) & set(derive_key(*other, words=4))


@given(parts, parts)
def test_keys_are_equal_where_the_parts_are_equal_and_only_there(one: list, other: list) -> None:
    assert (derive_key("purpose", *one) == derive_key("purpose", *other)) == (one == other)


@given(parts, st.integers(1, 20))
def test_key_words_are_different_and_in_range(given_parts: list, words: int) -> None:
    key = derive_key("purpose", *given_parts, words=words)
    assert len(key) == len(set(key)) == words
    assert all(0 <= word < 2**64 for word in key)


def test_key_words_use_all_bits() -> None:
    words = np.array([derive_key("purpose", number) for number in range(2000)], np.uint64)
    ones = np.unpackbits(words.view(np.uint8).reshape(-1, 8), axis=1).sum(axis=0).astype(np.int64)
    # Binomial(2,000, 1/2): a standard deviation is 22.4.
    assert np.abs(ones - 1000).max() < 5 * 22.4


def test_integers_count_by_value_whatever_their_type() -> None:
    assert derive_key("shuffle", np.int64(7)) == derive_key("shuffle", np.uint32(7)) == derive_key("shuffle", 7)

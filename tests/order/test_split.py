"""Parts of a split: exact, disjoint, and the same however far the corpus has grown."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumable_data.digest import digest
from resumable_data.order.split import MOST_BLOCK, Part, split_weights

weights = st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple)
seeds = st.integers(-5, 2**70)


def parts_of(weights: tuple[int, ...], seed: int) -> list[Part]:
    return [Part(weights, number, seed) for number in range(len(weights))]


def records_of(part: Part, records: int) -> list[int]:
    return part.records(np.arange(part.count(records))).tolist()


@given(weights, seeds, st.integers(0, 200))
def test_each_record_is_in_exactly_one_part(weights: tuple[int, ...], seed: int, records: int) -> None:
    found = [records_of(part, records) for part in parts_of(weights, seed)]
    assert sorted(record for of_part in found for record in of_part) == list(range(records))
    assert all(of_part == sorted(of_part) for of_part in found)


@given(weights, seeds, st.integers(1, 9))
def test_each_block_has_exactly_its_share(weights: tuple[int, ...], seed: int, blocks: int) -> None:
    block = sum(weights)
    for part, weight in zip(parts_of(weights, seed), weights, strict=True):
        counts = np.bincount(np.array(records_of(part, blocks * block)) // block, minlength=blocks)
        assert counts.tolist() == [weight] * blocks


@given(weights, seeds, st.integers(0, 100), st.integers(0, 100))
def test_what_is_added_at_the_end_moves_nothing(weights: tuple[int, ...], seed: int, records: int, more: int) -> None:
    for part in parts_of(weights, seed):
        before, after = records_of(part, records), records_of(part, records + more)
        assert after[: len(before)] == before
        assert all(record >= records for record in after[len(before) :])


def test_records_are_found_in_any_order() -> None:
    part = Part((7, 3), 1, seed=5)
    places = np.random.default_rng(0).permutation(300)
    assert part.records(places).tolist() == np.array(records_of(part, 1000))[places].tolist()


def test_a_record_is_as_likely_in_a_part_wherever_it_lies_in_its_block() -> None:
    found = np.array(records_of(Part((1, 9), 0, seed=3), 10 * 20_000))
    counts = np.bincount(found % 10)
    # 2,000 each are expected; six standard deviations are 255.
    assert np.abs(counts - 2000).max() < 255


def test_other_seeds_deal_out_in_other_ways() -> None:
    assert len({tuple(records_of(Part((1, 9), 0, seed), 500)) for seed in range(50)}) == 50


def test_parts_stay_the_same_in_later_releases() -> None:
    found = [records_of(part, 10_000) for part in parts_of((1, 2, 97), 7)]
    assert digest(*(np.array(of_part, "<i8").tobytes() for of_part in found)) == "1bab677d43ec2965"


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ({"train": 0.99, "eval": 0.01}, (1, 99)),
        ({"a": 1, "b": 2, "c": 1}, (1, 2, 1)),
        ({"b": 0.1, "a": 0.2, "c": 0.7}, (2, 1, 7)),
        ({"a": 1 / 3, "b": 2 / 3}, (1, 2)),
        ({"a": 0.300001, "b": 0.7}, (19661, 45875)),
        ({"all": 5.5}, (1,)),
    ],
)
def test_shares_are_whole_numbers_of_a_block(shares: dict[str, float], expected: tuple[int, ...]) -> None:
    assert split_weights(shares) == expected
    assert sum(expected) <= MOST_BLOCK

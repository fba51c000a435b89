from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumable_data.errors import PipelineError
from resumable_data.order.permutation import MAX_SIZE, permutation, permute_blocks

KEYS = [("shuffle", 0, "web", 0), ("shuffle", 2**63, "code", 17), ("other purpose",)]
LARGE_SIZES = [2**31 - 1, 2**31 + 1, 10**9, 2**40, 2**53 + 1, 2**61 + 1, MAX_SIZE - 1, MAX_SIZE]
BLOCKS_AND_SIZES = [(block, size) for block in (1, 2, 3, 7, 64) for size in (1, 2, 3, 6, 7, 8, 63, 64, 65, 500)] + [
    (10**9, 20),
    (4096, 10_000),
    (100, 10_000),
]


def is_permutation(values: np.ndarray, size: int) -> bool:
    return values.dtype == np.int64 and np.array_equal(np.sort(values), np.arange(size))


@pytest.mark.parametrize("key", KEYS)
def test_every_size_up_to_300_gives_each_record_exactly_once(key: tuple) -> None:
    for size in range(1, 301):
        order = permutation(size, *key)
        values = order(np.arange(size))
        assert is_permutation(values, size), size
        assert np.array_equal(order.inverse(values), np.arange(size)), size


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("size", [1023, 1024, 1025, 10_007, 2**15 + 1, 2**16 - 1, 2**16, 2**16 + 1])
def test_sizes_beside_powers_of_two_give_each_record_exactly_once(size: int, key: tuple) -> None:
    assert is_permutation(permutation(size, *key)(np.arange(size)), size)


@pytest.mark.parametrize("size", LARGE_SIZES)
def test_large_sizes_stay_in_range_and_invert(size: int) -> None:
    spread = np.random.default_rng(size).integers(0, size, 20_000)
    positions = np.unique(np.concatenate([spread, np.arange(5000), size - 1 - np.arange(5000)]))
    order = permutation(size, "shuffle", 7, "web", 0)
    values = order(positions)
    assert values.dtype == np.int64
    assert values.min() >= 0
    assert values.max() < size
    assert len(np.unique(values)) == len(positions)
    assert np.array_equal(order.inverse(values), positions)
    assert np.array_equal(order(order.inverse(positions)), positions)


@given(st.integers(1, MAX_SIZE), st.integers(), st.data())
def test_any_position_of_any_size_inverts(size: int, seed: int, data: st.DataObject) -> None:
    positions = np.array(data.draw(st.lists(st.integers(0, size - 1), max_size=20)), np.int64)
    order = permutation(size, "shuffle", seed)
    assert np.array_equal(order.inverse(order(positions)), positions)
    assert np.array_equal(order(order.inverse(positions)), positions)


@pytest.mark.parametrize("size", [1, 10, 1000, 10**9, MAX_SIZE])
def test_a_value_does_not_depend_on_what_else_is_asked(size: int) -> None:
    positions = np.random.default_rng(1).integers(0, size, 200)
    order = permutation(size, "shuffle", 3)
    together = order(positions)
    assert [int(order(positions[i : i + 1])[0]) for i in range(len(positions))] == together.tolist()
    assert np.array_equal(order(positions[::-1]), together[::-1])


def test_the_positions_asked_for_are_left_alone() -> None:
    positions = np.arange(100)
    order = permutation(100, "shuffle", 3)
    order.inverse(order(positions))
    assert np.array_equal(positions, np.arange(100))


def test_no_positions_give_no_values() -> None:
    nothing = np.zeros(0, np.int64)
    order = permutation(10, "shuffle", 3)
    assert order(nothing).shape == order.inverse(nothing).shape == (0,)


@pytest.mark.parametrize("size", [0, -1, MAX_SIZE + 1, 2**64])
def test_an_impossible_size_is_refused_by_name(size: int) -> None:
    with pytest.raises(PipelineError, match=rf"1 to 2\*\*62 elements, got {size}"):
        permutation(size, "shuffle", 7)


@pytest.mark.parametrize(("block", "size"), BLOCKS_AND_SIZES)
def test_shuffled_blocks_give_each_record_exactly_once(block: int, size: int) -> None:
    for seed in range(4):
        assert is_permutation(permute_blocks(block, size, np.arange(size), seed, "web", 0), size)


@pytest.mark.parametrize(("block", "size"), BLOCKS_AND_SIZES)
def test_the_records_of_a_block_stand_together(block: int, size: int) -> None:
    for seed in range(4):
        blocks = permute_blocks(block, size, np.arange(size), seed) // block
        changes = np.flatnonzero(np.diff(blocks)) + 1
        runs = [blocks[start:stop] for start, stop in pairwise([0, *changes.tolist(), size])]
        assert sorted(int(run[0]) for run in runs) == list(range(-(-size // block)))


def test_blocks_come_in_random_order_and_are_shuffled_inside() -> None:
    block, count = 64, 32
    records = permute_blocks(block, block * count, np.arange(block * count), 7).reshape(count, block)
    order_of_blocks, inside = records[:, 0] // block, records % block
    assert np.count_nonzero(order_of_blocks == np.arange(count)) <= 5
    assert (np.count_nonzero(inside == np.arange(block), axis=1) <= 8).all()
    assert len(np.unique(inside, axis=0)) == count


def test_the_short_block_takes_any_place() -> None:
    block, size, n_blocks = 4, 14, 4
    first_seen = [
        int(np.flatnonzero(permute_blocks(block, size, np.arange(size), seed) >= 12)[0]) for seed in range(100)
    ]
    assert set(first_seen) == {block * place for place in range(n_blocks)}


@pytest.mark.parametrize("block", [10, 11, 10**6])
def test_a_block_that_holds_everything_shuffles_everything(block: int) -> None:
    orders = {tuple(permute_blocks(block, 10, np.arange(10), seed).tolist()) for seed in range(50)}
    assert len(orders) == 50


def test_blocks_of_one_record_shuffle_everything() -> None:
    orders = {tuple(permute_blocks(1, 10, np.arange(10), seed).tolist()) for seed in range(50)}
    assert len(orders) == 50


@pytest.mark.parametrize(("block", "size"), [(7, 500), (10**6, 10**12 + 1), (2**40, MAX_SIZE)])
def test_shuffled_blocks_do_not_depend_on_what_else_is_asked(block: int, size: int) -> None:
    positions = np.append(np.random.default_rng(2).integers(0, size, 30), size - 1)
    together = permute_blocks(block, size, positions, 7, "web", 3)
    alone = [int(permute_blocks(block, size, positions[i : i + 1], 7, "web", 3)[0]) for i in range(31)]
    assert alone == together.tolist()
    assert together.min() >= 0
    assert together.max() < size


def test_neighbours_stay_within_a_block_of_each_other_at_scale() -> None:
    block, start = 10_000, 123_456_789 * 10_000
    records = permute_blocks(block, 10**13, start + np.arange(block), 7)
    assert len(np.unique(records)) == block
    assert records.max() - records.min() == block - 1


def test_another_epoch_has_other_blocks() -> None:
    first, second = (permute_blocks(10, 10_000, np.arange(10_000), 7, "web", epoch) for epoch in (0, 1))
    assert np.count_nonzero(first == second) <= 10
    assert np.count_nonzero(first[::10] // 10 == second[::10] // 10) <= 8

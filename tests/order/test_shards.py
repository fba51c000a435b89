"""Which positions belong to a logical shard."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumable_data.order.shards import Share, default_shards


@given(st.integers(1, 12).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))), st.integers(0, 200))
def test_a_share_counts_and_finds_its_positions(share: tuple[int, int], positions: int) -> None:
    shard, shards = share
    own = [position for position in range(positions) if position % shards == shard]

    assert Share(shard, shards).count(positions) == len(own)
    assert [Share(shard, shards).position(index) for index in range(len(own))] == own


@pytest.mark.parametrize("sizes", [[1], [7], [96], [128, 96], [64, 512], [2048], [6, 9]])
def test_the_default_is_the_largest_power_of_two_that_divides_every_batch(sizes: list[int]) -> None:
    powers = [1, 2, 4, 8, 16, 32, 64]

    assert default_shards(sizes) == max(power for power in powers if math.gcd(*sizes) % power == 0)

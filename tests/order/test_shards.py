"""How many logical shards a pipeline has when nobody says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumable_data.order.shards import MOST_SHARDS, default_shards


@pytest.mark.parametrize(
    ("largest_batch", "shards"),
    [
        (1, 1),
        (8, 8),
        (32, 32),
        (33, 33),
        (63, 63),
        (64, 64),
        (65, 64),  # 5 * 13 has no divisor from 33 to 64
        (66, 33),
        (67, 64),  # a prime number
        (96, 48),
        (100, 50),
        (512, 64),
        (2144, 64),  # 32 * 67: a half of 64 is too few
        (4095, 63),
    ],
)
def test_the_default_at_the_borders_of_its_rule(largest_batch: int, shards: int) -> None:
    assert default_shards(largest_batch) == shards


@given(st.integers(1, 5000))
def test_the_default_divides_the_batch_where_a_number_from_33_to_64_does(largest_batch: int) -> None:
    shards = default_shards(largest_batch)
    divisors = [number for number in range(33, 65) if largest_batch % number == 0]

    assert shards == (max(divisors) if divisors else min(64, largest_batch))
    assert shards <= MOST_SHARDS

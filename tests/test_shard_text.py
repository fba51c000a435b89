"""The text of logical shards gives back what was written, and is short."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resumable_data.shard_text import from_text, to_text

integers = st.integers(0, 2**70) | st.integers(0, 200)


@given(st.integers(1, 12).flatmap(lambda n: st.lists(st.none() | st.tuples(*[integers] * n), min_size=1)))
def test_every_shard_comes_back(shards: list[tuple[int, ...] | None]) -> None:
    assert from_text(to_text(shards)) == tuple(shards)


def test_the_format_stays() -> None:
    assert to_text([(0, 15616, 2), None, (1, 15609, 300), (0, 0, 0)]) == "AID0AQQ..Ag3UBA.AP_zAQM"


def test_many_shards_late_in_a_long_run_take_24_characters_each() -> None:
    place = (41, 812_345, 123_456, 240, 30, 7_654_321, 30_864_197, 16_666_666_666, 0)
    apart = (0, 2500, 1, 2, 20, 100, 30_000, 500_000, 0)
    shards = [
        tuple(value + shard * most // 64 for value, most in zip(place, apart, strict=True)) for shard in range(64)
    ]

    assert len(to_text(shards)) <= 24 * 64


@pytest.mark.parametrize("text", ["AIA", "A", "AID0AQQ.AA", "!!!!", "AID0AQQ. AID0"])
def test_a_damaged_text_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        from_text(text)

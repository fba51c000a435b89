import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumable_data.sources.in_memory import InMemorySource
from resumable_data.sources.source import Source, check_indices, evenly_spaced, knows_lengths


class BareSource:
    """The least that is a source."""

    def __len__(self) -> int:
        return 3

    def read(self, indices: np.ndarray) -> list[int]:
        return indices.tolist()

    def fingerprint(self) -> str:
        return "bare"


def test_any_object_with_the_methods_is_a_source() -> None:
    assert isinstance(BareSource(), Source)
    assert not knows_lengths(BareSource())
    assert knows_lengths(InMemorySource([1]))
    assert not isinstance([1, 2], Source)


@given(st.integers(1, 10**12), st.integers(2, 1024))
def test_spread_places_hold_both_ends_and_keep_their_distance(count: int, at_most: int) -> None:
    places = evenly_spaced(count, at_most)
    assert len(places) == min(count, at_most)
    assert places[0] == 0
    assert places[-1] == count - 1
    steps = np.diff(places)
    assert (steps >= 1).all()
    assert steps.size == 0 or steps.max() - steps.min() <= 1


@pytest.mark.parametrize("indices", [[], [0], [2, 0, 2]])
def test_indices_inside_pass(indices: list[int]) -> None:
    check_indices(np.array(indices, np.int64), 3, "the source")


@pytest.mark.parametrize(("indices", "outside"), [([-1], -1), ([3], 3), ([0, 1, 2**62, 5], 2**62)])
def test_the_first_index_outside_is_named(indices: list[int], outside: int) -> None:
    with pytest.raises(IndexError, match=f"^the source has records 0 to 2; asked for {outside}$"):
        check_indices(np.array(indices, np.int64), 3, "the source")

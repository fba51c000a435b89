import pytest

import resumable_data as rd
from resumable_data.planning.planner import checked_integers


def test_natural_numbers_are_given_back() -> None:
    assert checked_integers({"web": (0, 10**30)}, "web", 2) == (0, 10**30)


@pytest.mark.parametrize(
    "at",
    [{}, {"other": (1, 2)}, {"web": (1,)}, {"web": (1, 2, 3)}, {"web": (-1, 2)}]
    + [{"web": (1, value)} for value in (True, 2.0, "2", None, (2,))],
    ids=str,
)
def test_anything_else_is_refused_with_the_component_named(at: dict[str, tuple[object, ...]]) -> None:
    with pytest.raises(rd.StateError, match=r"component 'web'.*not 2 natural numbers"):
        checked_integers(at, "web", 2)

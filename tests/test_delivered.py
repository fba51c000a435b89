from typing import Any

import pytest

from resumable_data.delivered import Delivered


@pytest.mark.parametrize(
    ("delivered", "json"),
    [
        (Delivered(rows=1, documents=2, tokens=3), [1, 2, 3]),
        (Delivered(rows=1, documents=2, tokens=3, truncated=4), [1, 2, 3, 4, 0, 0]),
        (Delivered(rows=1, documents=2, tokens=3, scored=6), [1, 2, 3, 0, 6, 0]),
        (Delivered(rows=1, documents=2, tokens=3, dropped=5), [1, 2, 3, 0, 0, 5]),
    ],
)
def test_counts_come_back_from_json(delivered: Delivered, json: list[int]) -> None:
    assert delivered.to_json() == json
    assert Delivered.from_json(json) == delivered


@pytest.mark.parametrize(
    "given", [None, 5, "123", {}, [], [1, 2], [1, 2, 3, 4], [1, 2, 3, 4, 5], [1, 2, -3], [1, 2, True], [1, 2, "3"]]
)
def test_other_counts_are_refused(given: Any) -> None:
    with pytest.raises(ValueError, match="is not a list of three or six natural numbers"):
        Delivered.from_json(given)

from __future__ import annotations

import json
from typing import Any

import pytest

import resumable_data as rd
from resumable_data.interfaces.loaders.position import FORMAT, VERSION, LoaderPosition
from resumable_data.sealed import seal

LOADER = {"kind": "toy", "seed": 1}


def test_a_position_comes_back_from_json() -> None:
    position = LoaderPosition(LOADER, 3)
    assert LoaderPosition.from_json(json.loads(json.dumps(position.to_json()))) == position


@pytest.mark.parametrize("content", [{"loader": LOADER, "step": step} for step in (-1, 1.5, True, None)])
def test_a_step_that_is_not_a_count_is_damage(content: Any) -> None:
    with pytest.raises(rd.StateError, match="the state is damaged: it is at item"):
        LoaderPosition.from_json(seal(FORMAT, VERSION, content))


def test_a_loader_that_is_not_an_object_is_damage() -> None:
    with pytest.raises(rd.StateError, match="at item 3 of list"):
        LoaderPosition.from_json(seal(FORMAT, VERSION, {"loader": [], "step": 3}))


def test_another_loader_is_refused_with_each_difference() -> None:
    with pytest.raises(rd.PipelineMismatchError) as found:
        LoaderPosition(LOADER, 3).check({"kind": "toy", "seed": 2, "size": 4}, 9)
    assert found.value.differences == ("seed was 1, is 2", "size was None, is 4")


def test_a_position_may_be_at_the_end_and_not_after_it() -> None:
    position = LoaderPosition(LOADER, 3)
    position.check(LOADER, 3)
    position.check(LOADER, None)
    with pytest.raises(rd.StateError, match="it is at item 3 of 2"):
        position.check(LOADER, 2)

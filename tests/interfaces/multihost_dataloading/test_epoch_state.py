from __future__ import annotations

import json
from typing import Any

import pytest

import resumable_data as rd
from resumable_data.interfaces.multihost_dataloading.epoch_state import EpochState


@pytest.mark.parametrize(
    "state",
    [
        EpochState(0, None, {"next": [1, 2.5, None]}),
        EpochState(3, 3, b'{"last": 1}'),
        EpochState(2, 5, "text", ended=True),
        EpochState(2, None, {}, process=(1, 4)),
    ],
)
def test_a_round_trip_through_json_changes_nothing(state: EpochState) -> None:
    assert EpochState.from_json(json.loads(json.dumps(state.to_json()))) == state


@pytest.mark.parametrize("iterator", [{1: 2}, (1, 2), {"a": {3}}, [float("nan")]])
def test_what_json_would_change_is_refused(iterator: Any) -> None:
    with pytest.raises(rd.StateError, match="changes in a round trip through JSON"):
        EpochState(0, None, iterator).to_json()


def test_another_length_is_refused_unless_it_is_allowed() -> None:
    state = EpochState(2, 5, {})
    state.check(5, None, ())
    state.check(9, None, {"iterator_length"})
    with pytest.raises(rd.PipelineMismatchError, match="was 5, is None") as refused:
        state.check(None, None, {"batch"})
    assert refused.value.differences == ("iterator_length was 5, is None",)


@pytest.mark.parametrize(("saved", "own"), [((0, 2), (1, 2)), ((0, 2), (0, 4)), ((0, 2), None), (None, (0, 2))])
def test_the_state_of_another_process_is_refused(saved: Any, own: Any) -> None:
    with pytest.raises(rd.PipelineMismatchError, match="each process has a position of its own"):
        EpochState(1, None, {}, process=saved).check(None, own, ())

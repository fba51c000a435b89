import json
import math
from fractions import Fraction

import pytest

import resumable_data as rd
from resumable_data.order.mixture import Segment
from resumable_data.planning.weights import WeightSchedule


def test_constant_weights_stay_up_to_the_next_point() -> None:
    schedule = WeightSchedule({0: {"a": 1, "b": 1}, 10: {"a": 1, "b": 0}})

    assert schedule.segments(["a", "b"], ()) == (
        Segment(0, (1, 1), (1, 1)),
        Segment(10, (2, 0), (2, 0)),
    )


def test_linear_weights_go_to_those_of_the_next_point_and_stay_behind_the_last() -> None:
    schedule = WeightSchedule({0: {"a": 1, "b": 1}, 10: {"a": 1, "b": 0}}, between="linear")

    assert schedule.segments(["a", "b"], ()) == (
        Segment(0, (1, 1), (2, 0)),
        Segment(10, (2, 0), (2, 0)),
    )


def test_the_weights_of_what_is_gone_are_shared_out() -> None:
    schedule = WeightSchedule({0: {"a": 2, "b": 1, "c": 1}})

    assert schedule.segments(["a", "b", "c"], ["a"])[0].weights == (0, 1, 1)


def test_points_that_give_nothing_to_what_is_left_let_it_share_alike() -> None:
    schedule = WeightSchedule({0: {"a": 1, "b": 0, "c": 0}, 5: {"a": 1, "b": 2, "c": 1}})

    assert [segment.weights for segment in schedule.segments(["a", "b", "c"], ["a"])] == [(0, 3, 3), (0, 4, 2)]


def test_boundaries_can_be_moved_and_the_last_of_those_that_meet_holds() -> None:
    schedule = WeightSchedule({0: {"a": 1, "b": 0}, 3: {"a": 1, "b": 1}, 4: {"a": 0, "b": 1}})

    moved = schedule.moved(lambda step: 100 * (step // 3))
    assert [(segment.start, segment.weights) for segment in moved.segments(["a", "b"], ())] == [
        (0, (2, 0)),
        (100, (0, 2)),
    ]


def test_points_and_names_may_be_written_in_any_order() -> None:
    first = WeightSchedule({5: {"b": 1, "a": 2}, 0: {"a": 1, "b": 1}})
    second = WeightSchedule({0: {"b": 1, "a": 1}, 5: {"a": 2, "b": 1}})

    assert first == second
    assert first.names == ("a", "b")


@pytest.mark.parametrize("weight", [3, 0.0003, Fraction(1, 3), 0])
def test_a_schedule_survives_json(weight: float) -> None:
    schedule = WeightSchedule({0: {"a": weight, "b": 1}, 7: {"a": 1, "b": weight}}, between="linear")
    given = json.loads(json.dumps(schedule.to_json()))

    assert WeightSchedule.from_json(given) == schedule


@pytest.mark.parametrize(
    ("points", "between", "message"),
    [
        ({0: {"a": 1}}, "cubic", "between='cubic'; there are 'constant', 'linear'"),
        ({}, "constant", "natural numbers, the first of them 0"),
        ({5: {"a": 1}}, "constant", "natural numbers, the first of them 0"),
        ({0: {"a": 1}, -5: {"a": 1}}, "constant", "natural numbers, the first of them 0"),
        ({0: {"a": 1}, 1.5: {"a": 1}}, "constant", "boundary=1.5 must be an integer"),
        ({0: {"a": 0}}, "constant", "all weights are 0"),
        ({0: {"a": 1}, 5: {"a": 0}}, "constant", "all weights are 0"),
        ({0: {"a": 1, "b": 1}, 5: {"a": -1, "b": 1}}, "constant", "weights are not negative"),
        ({0: {"a": 1, "b": math.nan}}, "constant", "not a finite number"),
    ],
)
def test_impossible_schedules_are_refused(points: dict[int, dict[str, float]], between: str, message: str) -> None:
    with pytest.raises(rd.PipelineError, match=message):
        WeightSchedule(points, between)

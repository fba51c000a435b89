from collections.abc import Mapping
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

import resumable_data as rd
from resumable_data.order.schedule import BatchSchedule, Stretch

STEPS = 60


def naive_size(size: int, sizes: Mapping[int, int], at: int) -> int:
    """The size of the largest boundary that is not after ``at``."""
    reached = [boundary for boundary in sizes if boundary <= at]
    return sizes[max(reached)] if reached else size


def naive_sizes(size: int, sizes: Mapping[int, int], by: str, length: int) -> list[int]:
    """The size of each step, one after the other."""
    found: list[int] = []
    for step in range(STEPS):
        at = {"steps": step, "rows": sum(found), "tokens": sum(found) * length}[by]
        found.append(naive_size(size, sizes, at))
    return found


def test_the_seeds_table() -> None:
    schedule = BatchSchedule(32, factors={0: 0.25, 5: 0.5, 10: 1, 15: 2})

    sizes = [schedule.size(step) for step in range(20)]
    assert sizes == [8] * 5 + [16] * 5 + [32] * 5 + [64] * 5
    assert schedule.sizes == (8, 16, 32, 64)
    assert str(schedule) == "8@0 16@5 32@10 64@15"


def test_before_the_first_boundary_the_size_is_the_whole_one() -> None:
    schedule = BatchSchedule(32, factors={3: 0.5})

    assert [schedule.size(step) for step in (0, 2, 3, 10**12)] == [32, 32, 16, 16]


@pytest.mark.parametrize(("factor", "size"), [(0.1, 1), (0.29, 2), (0.7, 7), (1.15, 11), (2.3, 23)])
def test_factors_are_the_decimals_that_they_are_written_as(factor: float, size: int) -> None:
    assert BatchSchedule(10, factors={0: factor}).size(0) == size


sizes = st.dictionaries(st.integers(0, 50), st.integers(1, 12), max_size=5)


@given(st.integers(1, 12), sizes)
def test_steps_and_rows_are_those_of_a_running_sum(size: int, by_step: dict[int, int]) -> None:
    check(BatchSchedule(size, factors={b: Fraction(s, size) for b, s in by_step.items()}), size, by_step, "steps")
    if 0 in by_step:
        check(BatchSchedule.from_sizes(by_step.items()), size, by_step, "steps")


@given(st.integers(1, 12), sizes)
def test_boundaries_in_rows_apply_from_the_first_step_behind_them(size: int, by_row: dict[int, int]) -> None:
    schedule = BatchSchedule(size, factors={b: Fraction(s, size) for b, s in by_row.items()}, by="rows")
    check(schedule, size, by_row, "rows")


@given(st.integers(1, 12), sizes, st.integers(1, 9))
def test_boundaries_in_tokens_count_padding(size: int, by_token: dict[int, int], length: int) -> None:
    factors = {boundary: Fraction(new, size) for boundary, new in by_token.items()}
    schedule = BatchSchedule(size, factors=factors, by="tokens", length=length)
    check(schedule, size, by_token, "tokens", length)


def check(schedule: BatchSchedule, size: int, by: dict[int, int], unit: str, length: int = 1) -> None:
    """Compares sizes, first rows and the way back with those of a naive schedule."""
    expected = naive_sizes(size, by, unit, length)
    assert [schedule.size(step) for step in range(STEPS)] == expected
    rows = [step for step, n in enumerate(expected) for _ in range(n)]
    assert [schedule.first_row(step) for step in range(STEPS)] == [sum(expected[:step]) for step in range(STEPS)]
    assert [schedule.step_of(row) for row in range(len(rows))] == rows
    assert schedule.sizes == tuple(sorted({s.size for s in schedule.stretches}))
    steps = [stretch.step for stretch in schedule.stretches]
    assert steps == sorted(set(steps))
    assert all(a.size != b.size for a, b in zip(schedule.stretches, schedule.stretches[1:], strict=False))


def test_spread_boundaries_in_rows_and_tokens() -> None:
    by_rows = BatchSchedule(4, factors={6: 2, 16: 1}, by="rows")
    by_tokens = BatchSchedule(4, factors={6 * 10 - 9: 2, 16 * 10: 1}, by="tokens", length=10)

    assert by_rows.stretches == (Stretch(0, 0, 4), Stretch(2, 8, 8), Stretch(3, 16, 4))
    assert by_tokens == by_rows


def test_steps_and_rows_far_away_are_arithmetic() -> None:
    schedule = BatchSchedule(1024, factors={10**9: 2})
    row = 1024 * 10**9 + 2048 * 10**9

    assert schedule.first_row(2 * 10**9) == row
    assert (schedule.step_of(row), schedule.step_of(row - 1)) == (2 * 10**9, 2 * 10**9 - 1)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 100), st.integers(1, 5))
def test_a_linear_ramp_follows_the_line(start: int, stop: int, steps: int, multiple: int) -> None:
    schedule = BatchSchedule.linear(start * multiple, stop * multiple, steps, multiple)

    assert schedule.size(0) == start * multiple or steps < abs(stop - start)
    assert schedule.size(steps) == schedule.size(10**6) == stop * multiple
    for step in range(steps + 1):
        line = (start + (stop - start) * step / steps) * multiple
        assert schedule.size(step) % multiple == 0
        assert abs(schedule.size(step) - line) < multiple + 1e-6
        # Never ahead of the line.
        assert (schedule.size(step) - line) * (1 if stop > start else -1) <= 1e-6 or start == stop


def test_equal_schedules_are_equal() -> None:
    assert BatchSchedule(32, factors={0: 0.25, 5: 0.25, 9: 1}) == BatchSchedule.from_sizes([(0, 8), (9, 32)])
    assert BatchSchedule(8) != BatchSchedule(8, factors={3: 2})
    assert hash(BatchSchedule(8)) == hash(BatchSchedule(8, factors={0: 1}))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, "the batch from step 0 on has 0 rows"),
        ({"size": -3}, "the batch from step 0 on has -3 rows"),
        ({"size": 4, "factors": {7: 0.1}}, "the batch from step 7 on has 0 rows"),
        ({"size": 4, "factors": {7: -1}}, "the batch from step 7 on has -4 rows"),
        ({"size": 4, "factors": {"5": 2}}, "boundary='5' must be an integer"),
        ({"size": 4, "factors": {-5: 2}}, "boundary -5 is not a natural number"),
        ({"size": 4, "factors": {1.5: 2}}, "boundary=1.5 must be an integer"),
        ({"size": 4, "factors": {True: 2}}, "boundary=True must be an integer"),
        ({"size": 4, "factors": {1: "much"}}, "the factor of boundary 1 is 'much', not a number"),
        ({"size": 4, "factors": {1: float("nan")}}, "the factor nan of boundary 1 is not a number"),
        ({"size": 4, "factors": {1: float("inf")}}, "the factor inf of boundary 1 is not a number"),
        ({"size": 4, "factors": {1: 2}, "by": "epochs"}, "by='epochs'; there are 'steps', 'rows', 'tokens'"),
        ({"size": 4, "factors": {1: 2}, "by": "tokens"}, "boundaries by tokens need length="),
        ({"size": 4, "factors": {1: 2}, "by": "tokens", "length": 0}, "boundaries by tokens need length="),
    ],
)
def test_impossible_schedules_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(rd.PipelineError, match=message):
        BatchSchedule(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "arguments",
    [
        {"factors": {"5": 2}, "by": "tokens", "length": 4},
        {"factors": {-3: 2}, "by": "tokens", "length": 4},
        {"factors": {"5": 2, 7: 3}},
        {"factors": {5: "1/0"}},
    ],
)
def test_impossible_boundaries_are_refused_before_anything_is_done_with_them(arguments: dict[str, object]) -> None:
    with pytest.raises(rd.PipelineError):
        BatchSchedule(4, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("arguments", [(0, 8, 5), (8, 0, 5), (8, 16, 0), (8, 16, 5, 3), (9, 16, 5, 8)])
def test_impossible_ramps_are_refused(arguments: tuple[int, ...]) -> None:
    with pytest.raises(rd.PipelineError, match=r"BatchSchedule\.linear"):
        BatchSchedule.linear(*arguments)


def test_there_is_no_step_before_the_first() -> None:
    with pytest.raises(rd.PipelineError, match="there is no step -1"):
        BatchSchedule(4).first_row(-1)


def test_factors_are_a_keyword() -> None:
    with pytest.raises(TypeError):
        BatchSchedule(4, {0: 2})  # type: ignore[misc]

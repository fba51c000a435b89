import hashlib
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import resumable_data as rd
from resumable_data.order.mixture import MOST_UNITS, Segment, Targets, draw, exact_weights

Points = list[tuple[int, list[float]]]


def targets_of(points: Points, *, linear: bool = False, origin: int = 0) -> Targets:
    """Targets of components a00, a01, … with weights from each boundary on."""
    names = [f"a{i:04}" for i in range(len(points[0][1]))]
    exact = exact_weights([dict(zip(names, weights, strict=True)) for _, weights in points], names)
    towards = exact[1:] + exact[-1:] if linear else exact
    segments = zip((start for start, _ in points), exact, towards, strict=True)
    return Targets(tuple(Segment(*segment) for segment in segments), origin)


class Curve:
    """A component's naive target: the area below its exact weights, trapezoid by trapezoid."""

    def __init__(self, targets: Targets, component: int) -> None:
        self.segments = [(s.start, s.weights[component], s.slope_to[component]) for s in targets.segments]
        self.origin = targets.origin
        self.unit = sum(targets.segments[0].weights)

    def __call__(self, place: int) -> Fraction:
        return self.area(place) - self.area(self.origin)

    def area(self, place: int) -> Fraction:
        total = Fraction(0)
        stops = [start for start, _, _ in self.segments[1:]] + [2**60]
        for (start, weight, towards), stop in zip(self.segments, stops, strict=True):
            width = max(min(stop, place) - start, 0)
            if weight == towards:
                total += width * weight
            else:
                total += width * (weight + Fraction(towards - weight, stop - start) * width / 2)
        return total / self.unit


def check_bound(points: Points, count: int, *, linear: bool = False, origin: int = 0) -> None:
    """Every prefix of ``count`` samples after the origin is off target by less than one a component."""
    width = len(points[0][1])
    targets = targets_of(points, linear=linear, origin=origin)
    drawn = draw(targets, [0] * width, origin, count)
    for component in range(width):
        curve = Curve(targets, component)
        # Between two samples of its own a component is furthest off before them and after them.
        places = np.flatnonzero(drawn == component).tolist()
        for delivered, place in enumerate(places):
            assert -1 < delivered - curve(origin + place) < 1
            assert -1 < delivered + 1 - curve(origin + place + 1) < 1
        assert -1 < len(places) - curve(origin + count) < 1


@pytest.mark.parametrize(
    "weights",
    [[1], [3, 1], [1, 1, 1], [0.9997, 0.0003], [0, 2, 0, 1], [4, 4, 0.16, 0.24], [0.0003] * 7 + [1e6, 0]],
)
@pytest.mark.parametrize("origin", [0, 7, 10**12])
def test_every_prefix_is_off_target_by_less_than_one(weights: list[float], origin: int) -> None:
    check_bound([(0, weights)], 3000, origin=origin)


@pytest.mark.parametrize("components", [2, 10, 100, 1000])
def test_the_bound_holds_for_many_components(components: int) -> None:
    check_bound([(0, [1 / (rank + 1) ** 1.2 for rank in range(components)])], 2000)


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("origin", [0, 3, 250, 1500])
@pytest.mark.parametrize(
    "points",
    [
        [(0, [1, 1]), (100, [1, 0]), (300, [0, 1]), (1000, [1, 3])],
        [(0, [1, 0.0003, 0]), (999, [0, 0.0003, 1])],
        [(0, [1] * 40), (1, [*range(40)]), (2, [0.01] * 40), (700, [1, *[0] * 38, 5])],
    ],
)
def test_the_bound_holds_while_weights_change(points: Points, origin: int, linear: bool) -> None:
    check_bound(points, 2000, linear=linear, origin=origin)


weights = st.sampled_from([0, 0.0003, 0.1, 1 / 3, 1, 2, 1000])


@st.composite
def schedules(drawn: st.DrawFn) -> Points:
    components = drawn(st.integers(1, 6))
    starts = [0, *sorted(drawn(st.sets(st.integers(1, 60), max_size=3)))]
    rows = st.lists(weights, min_size=components, max_size=components).filter(any)
    return [(start, drawn(rows)) for start in starts]


@given(schedules(), st.booleans(), st.integers(0, 80))
def test_the_bound_holds_for_any_schedule(points: Points, linear: bool, origin: int) -> None:
    check_bound(points, 120, linear=linear, origin=origin)


@given(schedules(), st.booleans(), st.integers(0, 80))
def test_targets_are_the_area_below_the_weights(points: Points, linear: bool, place: int) -> None:
    targets = targets_of(points, linear=linear, origin=5)
    for component in range(len(points[0][1])):
        assert targets.target(component, place) == Curve(targets, component)(place)


@given(schedules(), st.booleans(), st.integers(0, 80), st.integers(0, 20))
def test_release_and_deadline_are_the_places_where_the_target_is_passed(
    points: Points, linear: bool, origin: int, sample: int
) -> None:
    targets = targets_of(points, linear=linear, origin=origin)
    for component in range(len(points[0][1])):
        release, deadline = targets.release(component, sample), targets.deadline(component, sample)
        if release is not None:
            assert targets.target(component, release) <= sample < targets.target(component, release + 1)
        else:
            assert targets.target(component, 2**40) <= sample
        if deadline < 2**62:
            assert targets.target(component, deadline - 1) < sample + 1 <= targets.target(component, deadline)
        else:
            assert targets.target(component, 2**40) < sample + 1


@given(schedules(), st.booleans(), st.integers(0, 80), st.integers(0, 100), st.integers(0, 100))
def test_drawing_in_two_parts_is_drawing_at_once(
    points: Points, linear: bool, origin: int, first: int, second: int
) -> None:
    targets, width = targets_of(points, linear=linear, origin=origin), len(points[0][1])
    at_once = draw(targets, [0] * width, origin, first + second)
    part = draw(targets, [0] * width, origin, first)
    rest = draw(targets, np.bincount(part, minlength=width).tolist(), origin + first, second)

    assert np.concatenate([part, rest]).tolist() == at_once.tolist()


def test_ties_go_by_name() -> None:
    assert draw(targets_of([(0, [1, 1, 1])]), [0, 0, 0], 0, 6).tolist() == [0, 1, 2, 0, 1, 2]


GOLDEN = {
    "zipf": "01ef1189d643608e",
    "tiny": "e56bc9a6f670f16a",
    "constant": "7750853107180dcb",
    "linear": "f43b551de1fc3b97",
}
DRAWS = {
    "zipf": (([(0, [1 / (rank + 1) for rank in range(100)])]), False, 0),
    "tiny": (([(0, [0.9, 0.0997, 0.0003, 0])]), False, 12_345),
    "constant": (([(0, [1, 2, 3]), (500, [3, 0, 1]), (2000, [0, 1, 1])]), False, 100),
    "linear": (([(0, [1, 2, 0]), (500, [3, 0, 1]), (2000, [0, 1, 1])]), True, 100),
}


@pytest.mark.parametrize("name", DRAWS)
def test_releases_keep_the_order(name: str) -> None:
    points, linear, origin = DRAWS[name]
    drawn = draw(targets_of(points, linear=linear, origin=origin), [0] * len(points[0][1]), origin, 5000)

    assert hashlib.sha256(drawn.astype("<i8").tobytes()).hexdigest()[:16] == GOLDEN[name]


decimals = st.decimals(0, 1000, places=3, allow_nan=False).map(float)
users = st.integers(0, 1000) | decimals | st.fractions(0, 10, max_denominator=20)


def written(weight: float) -> Fraction:
    """A weight as a user means it: a float as the decimal that is written."""
    return Fraction(str(weight))


def shares_of(weights: list[float]) -> list[Fraction]:
    return [written(weight) / sum(map(written, weights)) for weight in weights]


@given(st.lists(users, min_size=1, max_size=6).filter(any), st.sampled_from([0, 7, 10**12]))
def test_every_prefix_is_off_the_weights_that_users_wrote_by_less_than_one(weights: list[float], origin: int) -> None:
    targets = targets_of([(0, weights)], origin=origin)
    assume(targets.unit < MOST_UNITS)
    counts = [0] * len(weights)
    for place, component in enumerate(draw(targets, counts, origin, 200).tolist(), 1):
        counts[component] += 1
        for count, share in zip(counts, shares_of(weights), strict=True):
            assert -1 < count - share * place < 1


@given(st.lists(st.floats(1e-6, 1), min_size=2, max_size=6), st.integers(1, 200))
def test_weights_that_are_rounded_are_off_by_next_to_nothing_more(weights: list[float], size: int) -> None:
    drawn = draw(targets_of([(0, weights)]), [0] * len(weights), 0, size)
    for component, share in enumerate(shares_of(weights)):
        delivered = int(np.count_nonzero(drawn == component))
        assert abs(delivered - share * size) < 1 + Fraction(size, MOST_UNITS)


@pytest.mark.parametrize("weights", [[4, 1, 1], [40, 15, 10, 15, 15, 5], [0.1, 0.2, 0.7], [1, 2, 3, 5, 7, 11]])
def test_weights_that_do_not_divide_a_power_of_two_are_kept_too(weights: list[float]) -> None:
    targets = targets_of([(0, weights)])
    counts = [0] * len(weights)
    for place, component in enumerate(draw(targets, counts, 0, 1000).tolist(), 1):
        counts[component] += 1
        assert all(abs(n - share * place) < 1 for n, share in zip(counts, shares_of(weights), strict=True))


@given(st.lists(st.lists(users, min_size=3, max_size=3).filter(any), min_size=1, max_size=3))
def test_weights_are_what_users_wrote_where_the_denominator_is_small(points: list[list[float]]) -> None:
    names = ["a", "b", "c"]
    found = exact_weights([dict(zip(names, weights, strict=True)) for weights in points], names)
    unit = sum(found[0])
    assume(unit < MOST_UNITS)
    for weights, exact in zip(points, found, strict=True):
        assert [Fraction(weight, unit) for weight in exact] == shares_of(weights)
    # No smaller sum would do.
    assert math.gcd(*(weight for exact in found for weight in exact)) == 1


numbers = st.integers(0, 10**9) | st.floats(0, 1e9).filter(lambda x: x == 0 or x > 1) | st.fractions(1, 10)


@given(st.lists(numbers, min_size=1, max_size=40).filter(any))
def test_weights_are_the_nearest_integers_of_their_sum(given: list[float]) -> None:
    names = [f"n{i:02}" for i in range(len(given))]
    (found,) = exact_weights([dict(zip(names, given, strict=True))], names)

    assert sum(found) <= MOST_UNITS
    for share, exact in zip(shares_of(given), found, strict=True):
        assert abs(exact - share * sum(found)) < 1


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({"a": 1, "b": 1, "c": 1}, [1, 1, 1]),
        ({"a": 4, "b": 2, "c": 2}, [2, 1, 1]),
        ({"a": 0, "b": 5}, [0, 1]),
        ({"a": Fraction(1, 4), "b": 0.75}, [1, 3]),
        ({"a": 0.1, "b": 0.2}, [1, 2]),
        ({"a": np.float32(0.1), "b": Decimal("0.2"), "c": np.int64(1)}, [1, 2, 10]),
        ({"a": 1 / 3, "b": 2 / 3}, [1, 2]),
        ({"a": 1, "b": MOST_UNITS - 1}, [1, MOST_UNITS - 1]),
        ({"a": 1, "b": MOST_UNITS}, [1, MOST_UNITS - 1]),  # rounded, the larger remainder first
        ({"a": 1e12, "b": 1e12, "c": 1e12 + 1}, [MOST_UNITS // 3, MOST_UNITS // 3, MOST_UNITS // 3 + 1]),
        ({"a": 1e13 + 1, "b": 1e13, "c": 1e13 + 1}, [MOST_UNITS // 3 + 1, MOST_UNITS // 3, MOST_UNITS // 3]),
    ],
)
def test_what_is_left_over_goes_to_the_largest_remainder(weights: dict[str, float], expected: list[int]) -> None:
    assert exact_weights([weights], sorted(weights)) == (tuple(expected),)


def test_the_points_of_a_schedule_have_one_sum() -> None:
    assert exact_weights([{"a": 1, "b": 2}, {"a": 0.5, "b": 0.5}], "ab") == ((2, 4), (3, 3))


def test_points_without_a_small_common_denominator_are_all_rounded() -> None:
    first, second = exact_weights([{"a": 1, "b": 10**8}, {"a": 1, "b": 10**8 + 2}], "ab")
    assert sum(first) == sum(second) == MOST_UNITS


def test_the_order_in_which_weights_are_written_says_nothing() -> None:
    assert exact_weights([{"b": 2, "a": 1, "c": 4}], "abc") == exact_weights([{"c": 4, "a": 1, "b": 2}], "abc")


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"a": 1, "b": -1}, "the weight of 'b' is -1; weights are not negative"),
        ({"a": 1, "b": -1e-300}, "weights are not negative"),
        ({"a": 1, "b": math.nan}, "the weight of 'b' is nan, which is not a finite number"),
        ({"a": 1, "b": math.inf}, "the weight of 'b' is inf, which is not a finite number"),
        ({"a": 1, "b": None}, "the weight of 'b' is None, which is not a finite number"),
        ({"a": 1, "b": "1/0"}, "the weight of 'b' is '1/0', which is not a finite number"),
        ({"a": 1, "b": "many"}, "the weight of 'b' is 'many', which is not a finite number"),
        ({"a": 0, "b": 0.0}, "all weights are 0"),
        ({"a": 1}, r"components \['b'\] have no weight"),
        ({"a": 1, "b": 1, "c": 1}, r"weights of \['c'\], which are not components"),
        ({"a": 1, "b": 1e-13}, "the weight of 'b' is below 2"),
    ],
)
def test_bad_weights_are_refused(weights: dict[str, float], message: str) -> None:
    with pytest.raises(rd.PipelineError, match=message):
        exact_weights([weights], ["a", "b"])


def test_the_deadline_of_weights_that_change_is_the_first_place_at_which_the_target_is_reached() -> None:
    # A third each at first, which falls evenly to nothing at sample 6. Six samples later a component has had its one.
    targets = Targets((Segment(0, (1, 1, 1), (0, 0, 3)), Segment(6, (0, 0, 3), (0, 0, 3))))

    assert [targets.target(0, place) >= 1 for place in range(8)] == [place >= 6 for place in range(8)]
    assert targets.deadline(0, 0) == 6

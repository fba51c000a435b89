import json
from dataclasses import dataclass, field
from typing import Any

import grain
import numpy as np
import pytest

import resumable_data as rd
from property_tests.testing.running import through_json


def documents() -> rd.Dataset[Any]:
    return rd.Dataset.from_source(rd.InMemorySource([[1, 2], [3], []], name="toy source"))


def name_of(mapped: rd.Dataset[Any]) -> str:
    *_, stage = iter(mapped).description()["components"]["data"]
    return stage["function"]


class Reverse(grain.transforms.Map):
    def map(self, element: list[int]) -> list[int]:
        return element[::-1]


class Scale(grain.transforms.Map):
    def __init__(self, by: object, cache: object = None) -> None:
        self.by = by
        self._cache = cache

    def map(self, element: list[int]) -> list[int]:
        return [self.by * token for token in element]


@dataclass
class Shift(grain.transforms.Map):
    by: object
    _names: tuple[str, ...] = ()
    unused: dict[str, Any] = field(default_factory=dict)

    def map(self, element: list[int]) -> list[int]:
        return [self.by + token for token in element]


class Noise(grain.transforms.RandomMap):
    def random_map(self, element: Any, rng: np.random.Generator) -> Any:
        return element


class Numbered(grain.transforms.MapWithIndex):
    def map_with_index(self, index: int, element: Any) -> Any:
        return element


class Short(grain.transforms.Filter):
    def filter(self, element: Any) -> bool:
        return True


def test_a_transformation_of_grain_is_applied_as_grain_applies_it() -> None:
    mapped = documents().map(Scale(3)).map(Reverse()).map(Shift(1))
    expected = grain.MapDataset.source([[1, 2], [3], []]).apply([Scale(3), Reverse(), Shift(1)])

    assert list(mapped) == list(expected) == [[7, 4], [10], []]


def test_it_keeps_lengths_where_that_is_promised() -> None:
    batches = documents().map(Scale(3), preserves_length=True).pack(3, eod_id=0).batch(1)
    assert [batch.targets.tolist() for batch in batches] == [[[3, 6, 9]]]


@pytest.mark.parametrize(
    ("mapped", "expected"),
    [
        (documents().map(Reverse()), f"{__name__}.Reverse"),
        (documents().map(Scale(3)), f'{__name__}.Scale{{"by":3}}'),
        (documents().map(Scale(3, cache=object())), f'{__name__}.Scale{{"by":3}}'),
        (documents().map(Scale((1, None))), f'{__name__}.Scale{{"by":[1,null]}}'),
        (documents().map(Scale(3), version="2"), f'{__name__}.Scale{{"by":3}}@2'),
        (documents().map(Scale(object()), name="scale", version="2"), "scale@2"),
        (documents().map(Shift(1, ("a",))), f'{__name__}.Shift{{"_names":["a"],"by":1,"unused":{{}}}}'),
    ],
)
def test_a_transformation_counts_by_its_class_and_settings(mapped: rd.Dataset[Any], expected: str) -> None:
    assert name_of(mapped) == expected


def test_a_state_of_other_settings_is_refused_with_the_difference() -> None:
    state = through_json(iter(documents().map(Scale(3))).get_state())
    with pytest.raises(rd.PipelineMismatchError, match=r'map.function was .*Scale\{"by":3\}.*, is .*\{"by":4\}'):
        iter(documents().map(Scale(4))).set_state(state)


@pytest.mark.parametrize("by", [np.arange(4), b"table", {1, 2}, ["a long list"] * 100, float("nan")])
def test_long_settings_and_those_that_json_lacks_count_by_their_content(by: Any) -> None:
    name = name_of(documents().map(Scale(by)))
    digest = json.loads(name.removeprefix(f"{__name__}.Scale"))["by"]
    assert len(bytes.fromhex(digest)) == 8
    assert name != name_of(documents().map(Scale(np.arange(5))))


def test_a_setting_that_cannot_be_seen_needs_a_version() -> None:
    with pytest.raises(rd.PipelineError, match=r"map: the content of Scale.by \(a object\) .* pass version="):
        documents().map(Scale([1, object()]))
    one, other = (name_of(documents().map(Scale([1, object()]), version=version)) for version in "12")
    assert one != other


@pytest.mark.parametrize(
    ("transformation", "message"),
    [
        (Noise(), r"Noise is a RandomMap of Grain; .*Use random_map\(…, seed=…\)"),
        (Numbered(), "Numbered is a MapWithIndex of Grain; map takes a function or a grain.transforms.Map"),
        (Short(), r"Short is a Filter of Grain; .*Use filter\(…\)"),
        (grain.transforms.Batch(2), "Batch is a Batch of Grain"),
        (3, r"3 \(an int\) is neither a function nor a grain.transforms.Map"),
    ],
)
def test_other_transformations_are_refused(transformation: Any, message: str) -> None:
    with pytest.raises(rd.PipelineError, match=f"map: {message}"):
        documents().map(transformation)


def test_a_failing_transformation_is_named_with_the_record() -> None:
    with pytest.raises(rd.RecordError, match=r"map: .*Scale\{.*\} fails on toy source.*record 0: TypeError"):
        next(iter(documents().map(Scale({}))))

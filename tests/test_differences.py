from typing import Any

import pytest

from resumable_data.differences import Difference, differences, renamed, stages_by_name
from resumable_data.edits import Edit


def header(components: dict[str, list[int]], stages: list[Any], shared: list[int] | None = None) -> dict[str, Any]:
    return {"algorithms": {"mix": 1}, "components": components, "stages": stages, "shared": shared or []}


def lines(before: dict[str, Any], now: dict[str, Any]) -> list[tuple[str | None, str]]:
    return [(difference.edit, str(difference)) for difference in differences(before, now)]


WEB = ["source", {"name": "web"}]


@pytest.mark.parametrize(
    ("stage", "before", "now", "expected"),
    [
        ("pack", {"length": 2048}, {"length": 4096}, ("length", "pack.length was 2048, is 4096")),
        ("pad#2", {"length": 2048}, {"length": 4096}, ("length", "pad#2.length was 2048, is 4096")),
        ("pack", {"window": 256}, {"window": 64}, (None, "pack.window was 256, is 64")),
        ("tokenize", {"max_length": 8}, {"max_length": 9}, (None, "tokenize.max_length was 8, is 9")),
        ("batch", {"size": 8}, {"size": [[0, 8], [5, 16]]}, ("batch", "batch.size was 8, is [[0, 8], [5, 16]]")),
        ("repeat", {}, {"epochs": 2}, ("epochs", "repeat.epochs was None, is 2")),
        ("mix", {"stop": "renormalize"}, {"stop": "all"}, (None, "mix.stop was 'renormalize', is 'all'")),
        (
            "mix",
            {"weights": {"between": "constant", "points": [[0, {"a": 1, "b": 2}]]}},
            {"weights": {"between": "constant", "points": [[0, {"a": 1, "b": 2}], [9, {"a": 1, "b": 0}]]}},
            ("weights", "mix.weights was a=1 b=2, is from 0: a=1 b=2, from 9: a=1 b=0"),
        ),
        ("mix x", {"weights": 1}, {"weights": 2}, ("weights", "mix x.weights was 1, is 2")),
        ("batching", {"size": 1}, {"size": 2}, (None, "batching.size was 1, is 2")),
    ],
)
def test_a_setting_that_differs(stage: str, before: Any, now: Any, expected: tuple[str | None, str]) -> None:
    assert lines(header({"web": [0]}, [[stage, before]]), header({"web": [0]}, [[stage, now]])) == [expected]
    shared = header({}, [[stage, before]], [0]), header({}, [[stage, now]], [0])
    assert lines(*shared) == [expected]


def test_equal_headers_have_no_difference() -> None:
    assert lines(header({"web": [0]}, [WEB]), header({"web": [0]}, [WEB])) == []


def test_components_come_and_go() -> None:
    before, now = header({"a": [0], "b": [0]}, [WEB]), header({"a": [0], "c": [0]}, [WEB])

    assert lines(before, now) == [("sources", "component 'b' was removed"), ("sources", "component 'c' is new")]
    assert [(d.kind, d.component) for d in differences(before, now)] == [
        ("component_removed", "b"),
        ("component_added", "c"),
    ]


def test_other_components_bring_other_weights() -> None:
    stages = [WEB, ["mix", {"weights": 1}], ["mix", {"weights": 2}]]
    more = lines(header({"a": [0]}, stages, [1]), header({"a": [0], "b": [0]}, stages, [2]))

    assert {edit for edit, _ in more} == {"sources"}


def test_among_several_components_a_difference_names_its_own() -> None:
    stages = [["repeat", {"epochs": 1}], ["repeat", {"epochs": 2}]]

    found = lines(header({"a": [0], "b": [0]}, stages), header({"a": [0], "b": [1]}, stages))
    assert found == [("epochs", "b: repeat.epochs was 1, is 2")]


def test_a_difference_names_its_component_as_data_even_where_it_is_the_only_one() -> None:
    stages = [["repeat", {"epochs": 1}], ["repeat", {"epochs": 2}]]

    (found,) = differences(header({"a": [0]}, stages), header({"a": [1]}, stages))
    assert (found.kind, found.component, found.stage, found.setting) == ("setting", "a", "repeat", "epochs")
    assert (found.before, found.after, found.edit) == (1, 2, "epochs")
    assert str(found) == "repeat.epochs was 1, is 2"


def test_a_difference_becomes_an_edit() -> None:
    stages = [["batch", {"size": 1}], ["batch", {"size": 2}]]
    (found,) = differences(header({}, stages, [0]), header({}, stages, [1]))

    assert found.to_edit(step=3, rows=6) == Edit(
        kind="setting", stage="batch", setting="size", before=1, after=2, step=3, rows=6
    )


@pytest.mark.parametrize("kind", ["algorithm", "stage_order"])
def test_what_is_never_allowed_is_not_an_edit(kind: Any) -> None:
    with pytest.raises(ValueError, match="never an edit"):
        Difference(kind=kind, setting="mix", before=1, after=2).to_edit(0, 0)


def test_stages_come_and_go_and_change_places() -> None:
    stages = [WEB, ["map", {}], ["repeat", {}]]

    assert lines(header({"a": [0]}, stages), header({"a": [0, 2]}, stages)) == [("epochs", "stage repeat is new")]
    assert lines(header({"a": [0, 1]}, stages), header({"a": [0]}, stages)) == [(None, "stage map was removed")]
    ((edit, line),) = lines(header({"a": [0, 1, 2]}, stages), header({"a": [0, 2, 1]}, stages))
    assert edit is None
    assert line == "the order of the stages was 'source > map > repeat', is 'source > repeat > map'"


def test_another_version_of_an_algorithm_is_never_allowed() -> None:
    before = header({}, [])

    assert lines(before, {**before, "algorithms": {"mix": 2}}) == [(None, "the version of algorithm mix was 1, is 2")]


def test_the_second_stage_of_a_name_has_a_number() -> None:
    assert stages_by_name([["map", {"f": 1}], ["map", {"f": 2}]], [0, 1, 0]) == {
        "map": {"f": 1},
        "map#2": {"f": 2},
        "map#3": {"f": 1},
    }


def test_a_line_is_readable() -> None:
    difference = Difference(kind="setting", stage="pack", setting="strategy", before="best_fit")
    assert str(difference) == "pack.strategy was 'best_fit', is None"


def test_a_component_that_was_renamed_is_known_by_its_data() -> None:
    code, shuffled = ["source", {"name": "code"}], ["shuffle", {"seed": 1}]
    before = header({"a": [0, 1], "b": [2], "c": [2]}, [WEB, shuffled, code])
    now = header({"x": [1], "y": [2, 0], "c": [1]}, [shuffled, code, WEB])

    assert renamed(before, now) == [("a", "y"), ("b", "x")]
    assert renamed(before, header({"a": [0], "b": [2], "c": [2], "d": [0, 1]}, [WEB, shuffled, code])) == []
    assert renamed(before, header({"y": [0, 1], "z": [2], "x": [2]}, [WEB, shuffled, code])) == [
        ("a", "y"),
        ("b", "x"),
        ("c", "z"),
    ]


def grown(before: int, after: int, *more: Any, content: str | None = "1f") -> list[tuple[str | None, str]]:
    """Returns the differences of a source whose first ``before`` records have a content."""
    stages = [
        ["source", {"content": "1f", "records": before}],
        ["source", {"content": "2e", "records": after}],
        *more,
    ]
    now = [1, *range(2, 2 + len(more))]
    found = differences(
        header({"web": [0, *now[1:]]}, stages), header({"web": now}, stages), {"web": {before: content}.get}
    )
    return [(difference.edit, str(difference)) for difference in found]


def test_a_source_may_get_more_records_at_its_end() -> None:
    assert grown(9, 12) == [("data", "source.records was 9, is 12")]


CHANGED = [(None, "source.content was '1f', is '2e'"), (None, "source.records was 9, is 12")]


@pytest.mark.parametrize("content", ["2e", None])
def test_a_source_with_other_first_records_has_changed(content: str | None) -> None:
    assert grown(9, 12, content=content) == CHANGED


def test_a_source_with_fewer_records_has_changed() -> None:
    assert [edit for edit, _ in grown(12, 9)] == [None, None]


@pytest.mark.parametrize(
    ("bounds", "moves"), [({"stop": 5}, False), ({"start": -5}, True), ({"stop": -5}, True), ({"step": -1}, True)]
)
def test_a_slice_that_counts_from_the_end_would_choose_other_records(bounds: dict[str, int], moves: bool) -> None:
    found = grown(9, 12, ["slice", bounds])

    assert found == [(None if moves else "data", "source.records was 9, is 12")]

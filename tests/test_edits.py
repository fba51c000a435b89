import json
from typing import Any

import pytest

import resumable_data as rd
from resumable_data.delivered import Delivered
from resumable_data.edits import Edit, edits_from_json, edits_to_json

WEIGHTS = {"between": "constant", "points": [[0, {"code": 1, "web": 3}]]}
FADED = {"between": "linear", "points": [[0, {"web": 1}], [9, {"web": 0}]]}


def edit(**values: Any) -> Edit:
    return Edit(**({"step": 3, "rows": 12} | values))


EDITS = {
    "batch.size was 8, is 16": edit(kind="setting", stage="batch", setting="size", before=8, after=16),
    "web: repeat.epochs was None, is 2": edit(
        kind="setting", component="web", stage="repeat", setting="epochs", after=2
    ),
    "mix.weights was code=1 web=3, is from 0: web=1, from 9: web=0": edit(
        kind="setting", stage="mix", setting="weights", before=WEIGHTS, after=FADED
    ),
    "web: stage repeat is new": edit(kind="stage_added", component="web", stage="repeat"),
    "stage map#2 was removed": edit(kind="stage_removed", stage="map#2"),
    "component 'code' is new": edit(kind="component_added", component="code"),
    "component 'code' was removed": edit(
        kind="component_removed",
        component="code",
        counts={"code": Delivered(20, 20, 160), "web": Delivered(1, 2, 3, 4)},
    ),
    "web: source.records was 9, is 12": edit(
        kind="setting", component="web", stage="source", setting="records", before=9, after=12, epoch=2
    ),
    "web: pack.length was 2048, is 8192": edit(
        kind="setting", component="web", stage="pack", setting="length", before=2048, after=8192
    ),
    "skip of 3 batches": edit(kind="skip", after=3),
}


@pytest.mark.parametrize("line", EDITS)
def test_an_edit_is_a_line_for_people(line: str) -> None:
    assert str(EDITS[line]) == line


@pytest.mark.parametrize("line", EDITS)
def test_an_edit_comes_back_from_json(line: str) -> None:
    assert Edit.from_json(json.loads(json.dumps(EDITS[line].to_json()))) == EDITS[line]


def test_the_counts_of_one_restore_stand_once() -> None:
    counts = {"web": Delivered(1, 2, 3), "code": Delivered(4, 5, 6)}
    edits = [
        edit(kind="setting", component=path, stage="pack", setting="length", before=4, after=5, **at)
        for path, at in (
            ("a", {"counts": counts}),
            ("b", {"counts": dict(counts)}),
            ("c", {"counts": counts, "step": 4}),
            ("d", {"counts": {"web": Delivered(7)}, "step": 4}),
        )
    ]
    edits = [*edits, edit(kind="skip", after=3, step=4)]
    texts = json.loads(json.dumps(edits_to_json(edits)))

    assert [text["counts"] is None for text in texts] == [False, True, False, False, True]
    assert edits_from_json(texts) == tuple(edits)
    assert edits_from_json([one.to_json() for one in edits]) == tuple(edits)


def test_an_edit_in_json_has_names() -> None:
    assert EDITS["component 'code' was removed"].to_json() == {
        "step": 3,
        "rows": 12,
        "kind": "component_removed",
        "component": "code",
        "stage": None,
        "setting": None,
        "before": None,
        "after": None,
        "epoch": None,
        "counts": {"code": [20, 20, 160], "web": [1, 2, 3, 4, 0, 0]},
    }


def test_an_edit_shares_nothing_with_its_json() -> None:
    given = EDITS["mix.weights was code=1 web=3, is from 0: web=1, from 9: web=0"].to_json()
    read = Edit.from_json(given)
    given["before"]["points"].clear()  # pyright: ignore

    assert read.before == WEIGHTS


SETTING = EDITS["web: repeat.epochs was None, is 2"].to_json()
SKIP = EDITS["skip of 3 batches"].to_json()
GROWTH = EDITS["web: source.records was 9, is 12"].to_json()
LENGTH = EDITS["web: pack.length was 2048, is 8192"].to_json()
REMOVED = EDITS["component 'code' was removed"].to_json()


@pytest.mark.parametrize(
    "given",
    [
        None,
        5,
        "skip",
        [],
        {},
        {key: value for key, value in SKIP.items() if key != "counts"},
        {**SKIP, "what": "skip"},
        {**SKIP, "after": object()},
        *({**SKIP, key: value} for key in ("step", "rows") for value in (-1, True, 1.0, "1", None)),
        *({**SKIP, "after": value} for value in (0, -1, True, 1.5, "3", None)),
        *({**SKIP, key: "web"} for key in ("component", "stage", "setting")),
        *({**SETTING, "kind": kind} for kind in ("jump", "algorithm", None, 5, [], {}, "stage_added", "skip")),
        *({**SETTING, key: value} for key in ("stage", "setting") for value in (None, 5, [])),
        {**SETTING, "component": 5},
        {**SETTING, "epoch": 2},
        *({**GROWTH, "epoch": value} for value in (None, -1, "2", True)),
        *({**GROWTH, "before": value} for value in (None, 0, 12, 13, "9")),
        {**GROWTH, "component": None},
        *({**LENGTH, key: value} for key in ("before", "after") for value in (None, 0, -1, 2**31 + 1, "2048")),
        {**REMOVED, "component": None},
        {**REMOVED, "stage": "repeat"},
        *(
            {**REMOVED, "counts": value}
            for value in (5, [], "code", {"code": 5}, {"code": [1, 2]}, {"code": [1, 2, -3]})
        ),
    ],
)
def test_what_is_not_an_edit_is_a_damaged_state(given: Any) -> None:
    with pytest.raises(rd.StateError, match="the state is damaged: edit "):
        Edit.from_json(given)

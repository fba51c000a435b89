from typing import Any

import pytest

import resumable_data as rd
from resumable_data.state_form import MOST, MOST_SHARDS, check_form, is_weights

WEIGHTS = {"between": "linear", "points": [[0, {"web": 1, "code": 0.5}], [9, {"web": 1, "code": "1/3"}]]}


def form(**changes: Any) -> dict[str, Any]:
    """Parts of a sound form, some of which are others."""
    stages = [
        ["batch", {"size": [[0, 8], [5, 16]], "drop_remainder": True, "shards": 4}],
        ["mix group", {"weights": WEIGHTS, "stop": "renormalize"}],
        ["repeat", {"epochs": 3}],
        ["repeat", {}],
        ["source", {"content": "0123", "records": 9}],
    ]
    components = {"web": [[4, 2], [0, 64]], "down": [[4], [7, '{"left":1}']], "*": [[], [0, 0, 0, 1, 2]]}
    sound = {"algorithms": {"mix": 1}, "stages": stages, "shared": [0, 1], "components": components}
    where = {"step": 3, "rows": 24, "edits": [{"kind": "skip"}], "delivered_digest": "0f" * 8, "next_digest": "end"}
    return {**sound, **where, **changes}


def stage(name: str, **settings: Any) -> dict[str, Any]:
    """A form whose only stage is this one."""
    return form(stages=[[name, settings]], shared=[0], components={})


def batch(**settings: Any) -> dict[str, Any]:
    return stage("batch", **({"size": 8, "drop_remainder": False} | settings))


def test_a_sound_form_passes() -> None:
    check_form(form())
    check_form(batch())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (form(step=-1), r"step is -1, not a natural number up to \d+\. Restore an earlier checkpoint"),
        (form(rows=True), "rows is True"),
        (form(rows=MOST + 1), f"rows is {MOST + 1}"),
        (form(step=3.0), r"step is 3\.0"),
        (form(algorithms=["mix"]), r"algorithms is \['mix'\], not an object"),
        (form(algorithms={"mix": "1"}), "algorithms.mix is '1'"),
        (form(algorithms={1: 1}), "a key of algorithms is 1, not a text"),
        (form(stages={}), "stages is {}, not a list"),
        (form(stages=[["batch"]]), r"stages\[0\] is \['batch'\], not a list of two"),
        (form(stages=[[None, {}]]), r"stages\[0\]\[0\] is None, not a text"),
        (form(stages=[["map", []]]), r"stages\[0\]\[1\] is \[\], not an object"),
        (form(shared=[9]), r"shared is \[9\], not places in a table of 5 stages"),
        (form(shared=[-1]), r"shared\[0\] is -1"),
        (form(components=[]), "components is"),
        (form(components={"web": [[0]]}), r"components.web is \[\[0\]\], not a list of two"),
        (form(components={"web": [[5], []]}), r"components.web\[0\] is \[5\], not places"),
        (form(components={"web": [[0], [None]]}), r"components.web\[1\]\[0\] is None"),
        (form(edits={}), "edits is {}, not a list"),
        (form(edits=["skip"]), r"edits\[0\] is 'skip', not an object"),
        (form(delivered_digest="end"), "delivered_digest is 'end', not a digest of 16 hexadecimal digits"),
        (form(next_digest=7), "next_digest is 7, not a digest"),
        (batch(size=0), r"stages\[0\]\[1\].size is 0"),
        (batch(size="8"), r"size is '8', not the sizes of batches"),
        (batch(size=[]), r"size is \[\], not the sizes"),
        (batch(size=[[1, 8]]), r"size is \[\[1, 8\]\], not the sizes"),
        (batch(size=[[0, 8], [5, 8], [5, 9]]), "not the sizes of batches"),
        (batch(size=[[0, 8], [5]]), r"size\[1\] is \[5\], not a list of two"),
        (batch(drop_remainder=1), "drop_remainder is 1, not true or false"),
        (batch(shards=0), "shards is 0"),
        (batch(shards=MOST_SHARDS + 1), f"not a number from 1 to {MOST_SHARDS}"),
        (stage("batch", size=8), "not the settings of batch: there is no drop_remainder"),
        (stage("mix", stop="first_exhausted"), "not the settings of mix: there is no weights"),
        (stage("mix", stop="first_exhausted", weights={}), "not the weights of a mix"),
        (stage("mix inner", stop=0, weights=WEIGHTS), "stop is 0, not a text"),
        (stage("repeat", epochs=-1), "epochs is -1"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(given: dict[str, Any], message: str) -> None:
    with pytest.raises(rd.StateError, match=f"the state is damaged: .*{message}"):
        check_form(given)


def test_what_is_shown_of_a_value_is_short() -> None:
    with pytest.raises(rd.StateError) as caught:
        check_form(form(step=["x" * 10_000]))
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    "given",
    [
        None,
        [],
        {"points": [[0, {"a": 1}]]},
        {"between": "linear", "points": []},
        {"between": "linear", "points": [[0, {"a": None}]]},
        {"between": "linear", "points": [[-1, {"a": 1}]]},
        {"between": "linear", "points": [[0]]},
        {"between": 1, "points": [[0, {"a": 1}]]},
        {"between": "linear", "points": [[0, {"a": True}]]},
    ],
)
def test_other_things_are_not_weights(given: Any) -> None:
    assert is_weights(WEIGHTS)
    assert not is_weights(given)

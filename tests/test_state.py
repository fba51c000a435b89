"""What a state is, what it refuses, and that a refusal changes nothing."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import resumable_data as rd
from property_tests.testing.running import through_json
from resumable_data.planning.integers import DELIVERED, EPOCH_WINDOW, GROUP, name_component
from resumable_data.run_history import history_of

RECORDS = [[number] * (number % 7 + 1) for number in range(1, 40)]
SETTINGS: dict[str, Any] = {
    "records": RECORDS,
    "name": "web",
    "seed": 7,
    "block": None,
    "epochs": 3,
    "append": 0,
    "length": 8,
    "strategy": "best_fit",
    "window": 16,
    "eod_id": 0,
    "pad_id": 0,
    "truncate": False,
    "size": 4,
    "drop_remainder": True,
}


def doubled(document: list[int]) -> list[int]:
    return [2 * token for token in document]


def documents(**changes: Any) -> rd.Dataset[Any]:
    s = {**SETTINGS, **changes}
    data = rd.Dataset.from_source(rd.InMemorySource(s["records"]), name=s["name"])
    return data.shuffle(s["seed"], s["block"]).repeat(s["epochs"])


def pipeline(**changes: Any) -> rd.Dataset[rd.LLMBatch]:
    s = {**SETTINGS, **changes}
    packing = {name: s[name] for name in ("strategy", "window", "eod_id", "pad_id", "truncate")}
    rows = documents(**changes).append_eod(s["append"]).pack(s["length"], **packing)
    return rows.batch(s["size"], drop_remainder=s["drop_remainder"])


def saved(data: rd.Dataset[Any] | None = None, steps: int = 3) -> dict[str, Any]:
    """A state as a checkpoint gives it back."""
    iterator = iter(pipeline() if data is None else data)
    for _ in range(steps):
        next(iterator)
    return through_json(iterator.get_state())


def refusal(state: Any, data: rd.Dataset[Any] | None = None) -> Exception:
    """The error with which a used iterator refuses a state; what it delivers next is not to change."""
    data = pipeline() if data is None else data
    iterator, untouched = iter(data), iter(data)
    next(iterator), next(untouched)
    iterator.peek()
    before = iterator.get_state()
    with pytest.raises(rd.ResumableDataError) as caught:
        iterator.set_state(state)
    assert (iterator.step, iterator.get_state()) == (1, before)
    for _ in range(3):
        np.testing.assert_array_equal(next(iterator).inputs, next(untouched).inputs)
    return caught.value


def test_a_state_is_plain_json() -> None:
    state = iter(pipeline()).get_state()

    assert through_json(state) == state
    assert state["step"] == 0


def test_a_state_is_equal_after_a_resume() -> None:
    iterator = iter(pipeline())
    iterator.set_state(saved())

    assert iterator.get_state() == saved()


def test_the_order_of_its_keys_means_nothing() -> None:
    iterator = iter(pipeline())
    iterator.set_state(json.loads(json.dumps(saved(), sort_keys=True)))

    assert iterator.get_state() == saved()


def test_what_is_no_part_of_the_order_is_no_part_of_the_state() -> None:
    assert saved(pipeline().shard(1, 2).prefetch(3)) == saved()


def read_documents(**changes: Any) -> rd.Dataset[rd.LLMBatch]:
    """Batches of documents whose lengths show only when they are read."""
    rows = documents().map(list, name="as a list").pack(8, window=4, eod_id=0)
    return rows.batch(changes.pop("size", 8), **changes)


@pytest.mark.parametrize("count", [2, 4, 8])
def test_every_process_has_the_same_state(count: int) -> None:
    whole = iter(read_documents())
    parts = [iter(read_documents().shard(index, count)) for index in range(count)]
    assert [part.get_state() for part in parts] == [whole.get_state()] * count
    for _ in whole:
        for part in parts:
            next(part)
        assert [part.get_state() for part in parts] == [whole.get_state()] * count
    assert whole.step > 3
    assert [next(part, None) for part in parts] == [None] * count


def test_a_state_of_one_process_continues_on_any_other() -> None:
    expected = [batch.targets.tolist() for batch in read_documents()]
    state = saved(read_documents().shard(1, 4), steps=3)
    for index in range(2):
        iterator = iter(read_documents().shard(index, 2))
        iterator.set_state(state)
        assert [batch.targets.tolist() for batch in iterator] == [
            batch[4 * index : 4 * index + 4] for batch in expected[3:]
        ]


def test_the_shards_of_a_run_stand_in_its_state() -> None:
    assert history_of(saved(read_documents())).shards == 8
    assert history_of(saved(read_documents(shards=3))).shards == 3
    assert history_of(saved()).shards is None


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"seed": 8}, "shuffle.seed was 7, is 8"),
        ({"block": 4}, "shuffle.block was None, is 4"),
        ({"append": 5}, "append_eod.eod_id was 0, is 5"),
        ({"length": 16}, "pack.length was 8, is 16"),
        ({"strategy": "concat_split"}, "pack.strategy was 'best_fit', is 'concat_split'"),
        ({"window": 17}, "pack.window was 16, is 17"),
        ({"eod_id": 3}, "pack.eod_id was 0, is 3"),
        ({"pad_id": 3}, "pack.pad_id was 0, is 3"),
        ({"truncate": True}, "pack.truncate was False, is 'right'"),
        ({"epochs": 4}, "repeat.epochs was 3, is 4"),
        ({"epochs": None}, "repeat.epochs was 3, is None"),
        ({"size": 8}, "batch.size was 4, is 8"),
        ({"drop_remainder": False}, "batch.drop_remainder was True, is False"),
    ],
)
def test_another_pipeline_is_refused_with_the_one_difference(changes: dict[str, Any], difference: str) -> None:
    error = refusal(saved(), pipeline(**changes))

    assert isinstance(error, rd.PipelineMismatchError)
    assert error.differences == (difference,)
    assert difference in str(error)


def test_every_difference_is_named() -> None:
    error = refusal(saved(), pipeline(seed=9, length=4, window=5))

    assert isinstance(error, rd.PipelineMismatchError)
    assert error.differences == ("shuffle.seed was 7, is 9", "pack.length was 8, is 4", "pack.window was 16, is 5")


def test_another_number_of_records_is_named() -> None:
    error = refusal(saved(), pipeline(records=RECORDS[:-1]))

    assert isinstance(error, rd.PipelineMismatchError)
    assert "source.records was 39, is 38" in error.differences
    assert all(difference.startswith("source.") for difference in error.differences)


def test_other_content_is_named() -> None:
    error = refusal(saved(), pipeline(records=[[5, 5], *RECORDS[1:]]))

    assert isinstance(error, rd.PipelineMismatchError)
    (difference,) = error.differences
    assert difference.startswith("source.content was '")


def test_another_name_of_a_component_is_named() -> None:
    error = refusal(saved(), pipeline(name="books"))

    assert isinstance(error, rd.PipelineMismatchError)
    assert error.differences == ("component 'web' was removed", "component 'books' is new")


def test_another_function_is_named() -> None:
    first, second = (
        documents().map(doubled, preserves_length=True, version=version).pad(8, eod_id=0).batch(2)
        for version in ("1", "2")
    )
    error = refusal(saved(first), second)

    assert isinstance(error, rd.PipelineMismatchError)
    assert error.differences == (f"map.function was '{__name__}.doubled@1', is '{__name__}.doubled@2'",)


def test_a_stage_more_or_less_is_named() -> None:
    plain = documents().pack(8, eod_id=0).batch(4)
    closed = documents().append_eod(0).pack(8, eod_id=0).batch(4)

    assert refusal(saved(plain), closed).differences == ("stage append_eod is new",)
    assert refusal(saved(closed), plain).differences == ("stage append_eod was removed",)


def test_another_order_of_the_stages_is_named() -> None:
    mapped_first = documents().map(doubled, preserves_length=True).append_eod(1).pad(9, eod_id=0).batch(2)
    mapped_last = documents().append_eod(1).map(doubled, preserves_length=True).pad(9, eod_id=0).batch(2)
    error = refusal(saved(mapped_first), mapped_last)

    assert isinstance(error, rd.PipelineMismatchError)
    assert "map > append_eod" in str(error)
    assert "append_eod > map" in str(error)


KEYS = list(iter(pipeline()).get_state())
DAMAGE = (None, 5, -1, "x", {}, [[]], {"web": []}, True)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("value", DAMAGE)
def test_a_damaged_value_is_noticed(key: str, value: object) -> None:
    assert isinstance(refusal({**saved(), key: value}), rd.StateError)


@pytest.mark.parametrize("key", KEYS)
def test_a_missing_key_is_named(key: str) -> None:
    state = saved()
    del state[key]

    error = refusal(state)
    assert isinstance(error, rd.StateError)
    assert key in str(error)


def test_an_unknown_key_is_named() -> None:
    error = refusal({**saved(), "surprise": 1})

    assert isinstance(error, rd.StateError)
    assert "surprise" in str(error)


def paths(value: Any, *before: Any) -> Iterator[tuple[Any, ...]]:
    """Where in a nest everything stands."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield (*before, key)
        yield from paths(inner, *before, key)


def parent(state: Any, path: tuple[Any, ...]) -> Any:
    """What holds the last key of a path."""
    return parent(state[path[0]], path[1:]) if len(path) > 1 else state


@pytest.mark.parametrize("path", list(paths(saved())), ids=lambda path: ".".join(map(str, path)))
def test_a_change_anywhere_is_noticed(path: tuple[Any, ...]) -> None:
    cut, changed = saved(), saved()
    del parent(cut, path)[path[-1]]
    parent(changed, path)[path[-1]] = "changed"

    assert isinstance(refusal(cut), rd.StateError)
    assert isinstance(refusal(changed), rd.StateError)


@pytest.mark.parametrize("state", [None, 5, "state", [], [1, 2], b"", ()], ids=repr)
def test_what_is_no_object_is_no_state(state: object) -> None:
    error = refusal(state)

    assert isinstance(error, rd.StateError)
    assert "JSON object" in str(error)


def test_another_format_is_named() -> None:
    error = refusal({**saved(), "format": "grain"})

    assert isinstance(error, rd.StateError)
    assert "'grain'" in str(error)


def test_another_version_is_named() -> None:
    error = refusal({**saved(), "version": 99})

    assert isinstance(error, rd.StateError)
    assert "version 99; this release reads version 1" in str(error)


@pytest.fixture
def without_checksums(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes every checksum right."""
    monkeypatch.setattr("resumable_data.state.digest", lambda *parts, size=8: "0" * 2 * size)


@pytest.mark.usefixtures("without_checksums")
def test_an_algorithm_of_another_version_is_named() -> None:
    state = saved()
    state["algorithms"]["best_fit"] = 2
    error = refusal(state)

    assert isinstance(error, rd.PipelineMismatchError)
    assert "best_fit" in str(error)


INTEGERS = ("components", "web", 1)
"""Where the integers of a component stand."""
NAMES = (*EPOCH_WINDOW, *GROUP, *DELIVERED)
EPOCH, WINDOW, ROW, ROWS, _, DOCUMENTS, TOKENS = range(7)
"""Places among them."""
NOT_NATURAL = (-1, "3", True, 3.0, None, [3])
IMPOSSIBLE = [
    *[((key,), value) for key in ("step", "rows") for value in NOT_NATURAL],
    *[((*INTEGERS, place), value) for place in range(len(NAMES)) for value in NOT_NATURAL],
    *[(INTEGERS, value) for value in (None, 5, [], [0] * (len(NAMES) - 1), [0] * (len(NAMES) + 1))],
    *[(INTEGERS[:-1], value) for value in (None, 5, [], [5], [[0]], [[0], [0] * len(NAMES), []])],
    *[((*INTEGERS, EPOCH), value) for value in (3, 10**30)],
    *[((*INTEGERS, WINDOW), value) for value in (3, 10**30)],
    *[((*INTEGERS, ROW), value) for value in (1000, 10**30)],
    *[((*INTEGERS, ROWS), value) for value in (0, 11, 13)],
    *[((*INTEGERS, place), 0) for place in (DOCUMENTS, TOKENS)],
]


def test_the_integers_of_a_component_have_names() -> None:
    named = name_component(saved()["components"]["web"][1])

    assert tuple(named) == NAMES
    assert (named["epoch"], named["window"], named["rows"]) == (0, 1, 12)
    assert named["row"] > 0


@pytest.mark.usefixtures("without_checksums")
@pytest.mark.parametrize(
    ("path", "value"), IMPOSSIBLE, ids=[f"{'.'.join(map(str, path))}={value}" for path, value in IMPOSSIBLE]
)
def test_an_impossible_position_is_refused_even_if_its_checksum_is_right(path: tuple[Any, ...], value: Any) -> None:
    state = saved()
    parent(state, path)[path[-1]] = value

    assert isinstance(refusal(state), rd.StateError)


def test_values_that_json_has_not_are_refused() -> None:
    assert isinstance(refusal({**saved(), "rows": float("nan")}), rd.StateError)
    assert isinstance(refusal({**saved(), "edits": [object()]}), rd.StateError)


SKIP = rd.Edit(kind="skip", after=2, step=3, rows=12).to_json()


@pytest.mark.usefixtures("without_checksums")
@pytest.mark.parametrize(
    "edits", [None, 5, "skip", {}, [5], [{}], [{**SKIP, "kind": "jump"}], [{**SKIP, "step": "3"}]]
)
def test_damaged_edits_are_refused_even_if_the_checksum_is_right(edits: Any) -> None:
    assert isinstance(refusal({**saved(), "edits": edits}), rd.StateError)


def test_a_state_is_not_changed_by_being_set() -> None:
    state = saved()
    before = copy.deepcopy(state)
    iterator = iter(pipeline())
    iterator.set_state(state)
    next(iterator)

    assert state == before


class Endless:
    """A source of 10**12 records."""

    def __len__(self) -> int:
        return 10**12

    def read(self, indices: np.ndarray) -> list[list[int]]:
        return [[1] * 500] * len(indices)

    def lengths(self, indices: np.ndarray) -> np.ndarray:
        return np.full(len(indices), 500)

    def fingerprint(self) -> str:
        return "0123456789abcdef"


@pytest.mark.parametrize("name", ["web", "a_component_with_a_name_of_forty_letters"])
def test_a_state_is_small_with_every_stage_and_after_many_tokens(name: str) -> None:
    documents = rd.Dataset.from_source(Endless(), name=name)
    documents = documents.shuffle(2**63 - 1, block=4096).repeat(100).map(doubled, preserves_length=True)
    rows = documents.append_eod(50_000).pack(131_072, eod_id=50_000, pad_id=50_001, window=4096)
    state = iter(rows.shift("inputs").batch(4096, drop_remainder=False)).get_state()
    state["step"] = state["rows"] = 10**12
    _, position = state["components"][name]
    position[:] = [10**12] * len(position)

    assert len(json.dumps(state)) <= 1024 + 160

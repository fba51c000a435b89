from itertools import islice
from typing import Any

import pytest

import resumable_data as rd


def documents(first: int, count: int = 4) -> rd.Dataset[Any]:
    """Documents of one token: ``first``, ``first + 1``, …"""
    return rd.Dataset.from_source(rd.InMemorySource([[first + number] for number in range(count)]))


def rows(first: int, count: int = 4) -> rd.Dataset[Any]:
    return documents(first, count).pack(1, eod_id=0, window=count)


def tokens(dataset: rd.Dataset[Any], count: int = 1000) -> list[int]:
    """First tokens of documents, or of all rows."""
    elements = list(islice(iter(dataset), count))
    return [int(e.targets[0] if isinstance(e, rd.LLMBatch) else e[0]) for e in elements]


LEVELS = pytest.mark.parametrize("component", [documents, rows])


@LEVELS
@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        ("first_exhausted", [10, 50, 11, 51]),
        ("renormalize", [10, 50, 11, 51, 52, 53]),
        ("all_exhausted", [10, 50, 11, 51, 10, 52, 11, 53]),
    ],
)
def test_stop_policies(component: Any, stop: str, expected: list[int]) -> None:
    mix = rd.mix({"a": component(10, 2), "b": component(50, 4)}, stop=stop)

    assert tokens(mix) == expected


@LEVELS
def test_a_component_without_weight_gives_nothing(component: Any) -> None:
    mix = rd.mix({"a": component(10), "b": component(50)}, {"a": 0, "b": 1}, stop="all_exhausted")

    assert tokens(mix) == [50, 51, 52, 53]


@LEVELS
def test_weights_are_equal_by_default_and_names_sorted(component: Any) -> None:
    assert tokens(rd.mix({"b": component(50), "a": component(10)}), 4) == [10, 50, 11, 51]


def test_weights_change_with_the_position_of_documents() -> None:
    weights = rd.WeightSchedule({0: {"a": 1, "b": 0}, 2: {"a": 0, "b": 1}})

    assert tokens(rd.mix({"a": documents(10), "b": documents(50)}, weights), 4) == [10, 11, 50, 51]


def test_weights_of_rows_change_with_the_batch_step() -> None:
    weights = rd.WeightSchedule({0: {"a": 1, "b": 0}, 2: {"a": 0, "b": 1}})
    schedule = rd.BatchSchedule(2, factors={0: 0.5, 1: 1})  # steps of 1, 2, 2, … rows
    batches = rd.mix({"a": rows(10), "b": rows(50)}, weights).batch(schedule)

    assert [batch.targets[:, 0].tolist() for batch in islice(iter(batches), 3)] == [[10], [11, 12], [50, 51]]


def test_an_inner_mix_of_rows_knows_no_steps() -> None:
    weights = rd.WeightSchedule({0: {"a": 1, "b": 0}, 2: {"a": 0, "b": 1}})
    inner = rd.mix({"a": rows(10), "b": rows(50)}, weights)

    with pytest.raises(rd.PipelineError, match="only the outermost mix of rows knows"):
        iter(rd.mix({"x": inner, "y": rows(90)}).batch(2))


def test_mixes_of_documents_count_documents_however_large_a_batch_and_within_others() -> None:
    weights = rd.WeightSchedule({0: {"a": 1, "b": 0}, 2: {"a": 0, "b": 1}})
    inner = rd.mix({"a": documents(10), "b": documents(50)}, weights)
    outer = rd.mix({"x": inner}).pack(1, eod_id=0, window=1)

    batches = [batch.targets[:, 0].tolist() for batch in outer.batch(3)]
    assert batches[:1] == [[10, 11, 50]]
    assert tokens(rd.mix({"x": inner}), 3) == [10, 11, 50]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_nested_components_have_paths(count: int) -> None:
    inner = rd.mix({f"n{k}": rows(10 * k) for k in range(count)})
    state = iter(rd.mix({"x": inner, "y": rows(900)}).batch(2)).get_state()

    assert set(state["components"]) == {"*", "x/*", "y", *(f"x/n{k}" for k in range(count))}


@pytest.mark.parametrize("strategy", ["pad", "pack"])
def test_all_exhausted_ends_when_every_component_has_been(strategy: str) -> None:
    a, b = (
        documents(first, count).pad(1, eod_id=0) if strategy == "pad" else documents(first, count).pack(1, eod_id=0)
        for first, count in ((10, 2), (50, 4))
    )

    assert len(tokens(rd.mix({"a": a, "b": b}, stop="all_exhausted"))) == 8


def test_an_inner_mix_is_exhausted_without_its_components_of_weight_zero() -> None:
    inner = rd.mix({"a": rows(10), "b": rows(50)}, {"a": 1, "b": 0}, stop="all_exhausted")

    assert len(tokens(rd.mix({"x": inner, "y": rows(90)}, stop="all_exhausted"), 100)) == 8


def test_renormalizing_goes_on_with_what_has_a_weight_now() -> None:
    """Though at the last point it has none."""
    weights = rd.WeightSchedule({0: {"a": 1, "b": 1}, 20: {"a": 1, "b": 0}})
    mix = rd.mix({"a": documents(10, 3), "b": documents(50, 8)}, weights, stop="renormalize")

    assert tokens(mix) == [10, 50, 11, 51, 12, *range(52, 58)]


def test_renormalizing_raises_nothing_where_only_later_a_component_has_a_weight() -> None:
    weights = rd.WeightSchedule({0: {"a": 1, "b": 0}, 20: {"a": 0, "b": 1}})
    mix = rd.mix({"a": documents(10, 3), "b": documents(50, 8)}, weights, stop="renormalize")

    assert tokens(mix)[:3] == [10, 11, 12]


@pytest.mark.parametrize(
    ("components", "arguments", "message"),
    [
        ({}, {}, "mix: "),
        ({"": documents(1)}, {}, "must be a name that is not empty"),
        ({"a/b": documents(1)}, {}, "a component is named 'a/b'"),
        ({"*": documents(1)}, {}, r"a component is named '\*'"),
        ({"a": documents(1), "b": rows(5)}, {}, "components must be all documents or all rows"),
        ({"a": rows(1).batch(2)}, {}, "components must be all documents or all rows"),
        ({"a": documents(1)}, {"stop": "never"}, "stop='never'; there are 'first_exhausted'"),
        ({"a": documents(1)}, {"weights": {"a": 0}}, "all weights are 0"),
        ({"a": documents(1)}, {"weights": {"a": -1}}, "weights are not negative"),
        ({"a": documents(1)}, {"weights": {"a": float("nan")}}, "not a finite number"),
        ({"a": documents(1)}, {"weights": {"b": 1}}, r"weights of \['b'\], which are not components"),
        ({"a": documents(1), "b": documents(5)}, {"weights": {"a": 1}}, r"components \['b'\] have no weight"),
        ({"a": rows(1), "b": rows(5).shift("none")}, {}, "rows of different formats"),
    ],
)
def test_impossible_mixes_are_refused(
    components: dict[str, rd.Dataset[Any]], arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(rd.PipelineError, match=message):
        rd.mix(components, **arguments)


def of_text(first: int, *, kept: int = 64, epochs: int | None = None) -> rd.Dataset[Any]:
    """64 documents whose lengths show only when they are read. All but the first ``kept`` are dropped."""
    source = rd.InMemorySource([[first + number] * (number % 4 + 1) for number in range(64)])
    documents = rd.Dataset.from_source(source).repeat(epochs)
    return documents.filter(lambda document: document[0] < first + kept, name=f"the first {kept}")


def mixed_then_packed(components: dict[str, Any], **settings: Any) -> rd.Dataset[Any]:
    return rd.mix(components, **settings).pack(8, eod_id=0, window=16)


def packed_then_mixed(components: dict[str, Any], **settings: Any) -> rd.Dataset[Any]:
    return rd.mix({name: data.pack(8, eod_id=0, window=16) for name, data in components.items()}, **settings)


def nested_then_packed(components: dict[str, Any], **settings: Any) -> rd.Dataset[Any]:
    return rd.mix({"more": rd.mix(components), "other": of_text(500)}, **settings).pack(8, eod_id=0, window=16)


@pytest.mark.parametrize("shards", [1, 4])
@pytest.mark.parametrize("mixed", [mixed_then_packed, packed_then_mixed, nested_then_packed])
@pytest.mark.parametrize("epochs", [1, None])
def test_a_component_of_which_a_whole_epoch_is_left_out_is_an_error(
    mixed: Any, epochs: int | None, shards: int
) -> None:
    data = mixed({"web": of_text(100), "code": of_text(300, kept=0, epochs=epochs)})
    with pytest.raises(
        rd.SourceError, match=r"component '(more/)?code': \d+ documents have no token.*leaves out \d+"
    ):
        list(islice(data.batch(4, shards=shards), 200))


@pytest.mark.parametrize("shards", [1, 4])
@pytest.mark.parametrize("mixed", [mixed_then_packed, packed_then_mixed, nested_then_packed])
def test_a_component_of_which_one_document_an_epoch_is_kept_is_delivered(mixed: Any, shards: int) -> None:
    iterator = iter(mixed({"web": of_text(100), "code": of_text(300, kept=1)}).batch(4, shards=shards))
    found = {
        token for batch in islice(iterator, 60) for token in batch.targets[batch.targets_segmentation > 0].tolist()
    }

    assert 300 in found
    assert not found & set(range(301, 400))
    iterator.close()


def test_a_component_without_weight_may_be_empty() -> None:
    data = mixed_then_packed({"web": of_text(100), "code": of_text(300, kept=0)}, weights={"web": 1, "code": 0})

    assert len(list(islice(data.batch(4), 50))) == 50

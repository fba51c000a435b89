from functools import partial

import numpy as np
import pytest

import resumable_data as rd


def documents() -> rd.Dataset[list[int]]:
    return rd.Dataset.from_source(rd.InMemorySource([[1, 2], [3], []], name="toy source"))


def doubled(document: list[int]) -> list[int]:
    return [2 * token for token in document]


def cut(document: list[int]) -> list[int]:
    return document[:1]


def picky(document: list[int]) -> list[int]:
    if 3 in document:
        raise KeyError("three")
    return document


class Scaled:
    def __init__(self, by: int) -> None:
        self.by = by

    def __call__(self, document: list[int]) -> list[int]:
        return [self.by * token for token in document]


def test_every_document_is_mapped_in_order() -> None:
    assert list(documents().map(doubled).map(doubled)) == [[4, 8], [12], []]


def test_mapped_documents_are_packed_where_lengths_stay() -> None:
    batches = documents().map(doubled, preserves_length=True).pack(3, eod_id=0).batch(1)

    assert [batch.targets.tolist() for batch in batches] == [[[2, 4, 6]]]


@pytest.mark.parametrize("rows", ["pack", "pad"])
def test_a_map_that_promises_no_lengths_is_read_to_be_packed(rows: str) -> None:
    mapped = documents().map(cut)
    batch = next(iter(getattr(mapped, rows)(8, eod_id=0).batch(1)))

    assert batch.targets[0, 0] == next(iter(mapped))[0]


def test_a_broken_promise_names_function_source_and_record() -> None:
    batches = documents().map(cut, preserves_length=True).pack(8, eod_id=0).batch(1)

    with pytest.raises(rd.RecordError, match=r"cut makes 1 tokens of the 2 of toy source.*record 0"):
        next(iter(batches))


def test_a_failing_function_is_named_with_the_record_and_its_error() -> None:
    iterator = iter(documents().map(picky))
    assert next(iterator) == [1, 2]

    with pytest.raises(rd.RecordError, match=r"picky fails on toy source.*record 1: KeyError\('three'\)") as caught:
        next(iterator)
    assert isinstance(caught.value.__cause__, KeyError)
    assert iterator.step == 1


@pytest.mark.parametrize("function", [lambda document: document, partial(doubled)], ids=["lambda", "partial"])
def test_a_function_without_a_lasting_name_needs_one(function: object) -> None:
    with pytest.raises(rd.PipelineError, match=r"map: .*no lasting name: pass name="):
        documents().map(function)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mapped", "expected"),
    [
        (documents().map(doubled), f"{__name__}.doubled"),
        (documents().map(Scaled(3)), f"{__name__}.Scaled"),
        (documents().map(doubled, version="2"), f"{__name__}.doubled@2"),
        (documents().map(lambda document: document, name="same"), "same"),
        (documents().map(partial(doubled), name="twice", version="b"), "twice@b"),
    ],
)
def test_a_function_counts_by_its_name_and_version(mapped: rd.Dataset[list[int]], expected: str) -> None:
    *_, stage = iter(mapped).description()["components"]["data"]

    assert stage == {"stage": "map", "function": expected}


def test_the_function_runs_when_documents_are_read_and_not_before() -> None:
    seen: list[list[int]] = []

    def noted(document: list[int]) -> list[int]:
        seen.append(document)
        return document

    iterator = iter(documents().map(noted, name="noted", preserves_length=True).pack(8, eod_id=0).batch(1))
    iterator.set_state(iterator.get_state())
    iterator.progress()

    assert seen == []


def test_the_documents_of_a_source_are_not_changed() -> None:
    records = [np.array([1, 2]), np.array([3])]
    mapped = rd.Dataset.from_source(rd.InMemorySource(records)).map(doubled, preserves_length=True)
    for _ in iter(mapped.repeat(2).append_eod(9).pack(4, eod_id=9).batch(1)):
        pass

    assert [record.tolist() for record in records] == [[1, 2], [3]]


@pytest.mark.parametrize(
    ("result", "wrong"),
    [
        (np.array([1.5]), "holds float64; tokens are integers"),
        ("text", r"is text \(str\)"),
        ({"ids": [1]}, "is a mapping with the keys 'ids'"),
        ([[1, 2], [3, 4]], r"has shape \(2, 2\)"),
        ([2**40], "which int32 cannot hold"),
        ([-5], "ids are not negative"),
    ],
)
def test_a_wrong_result_is_blamed_on_the_function(result: object, wrong: str) -> None:
    mapped = documents().map(lambda document: result, name="my_function")
    with pytest.raises(rd.RecordError, match=f"the result of map: my_function for toy source.*record 0 .*{wrong}"):
        next(iter(mapped.pack(8, eod_id=0).batch(1)))


def test_a_later_function_is_told_whose_result_it_fails_on() -> None:
    mapped = documents().map(doubled).map(lambda document: document[5], name="sixth")
    with pytest.raises(rd.RecordError, match=r"map: sixth fails on the result of map: .*doubled for toy source"):
        next(iter(mapped))


def test_a_bad_record_before_a_function_is_blamed_on_the_source() -> None:
    wrong = rd.Dataset.from_source(rd.InMemorySource([[1.5]], name="toy source")).append_eod(0)
    with pytest.raises(rd.RecordError, match=r"toy source \(1 records\), record 0 holds float64") as raised:
        next(iter(wrong.pack(8, eod_id=0).batch(1)))
    assert "the result of" not in str(raised.value)

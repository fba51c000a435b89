from itertools import islice
from typing import Any

import grain
import numpy as np
import pytest

import resumable_data as rd
from property_tests.testing.running import through_json

RECORDS = [[1, 2], [3], [], [4, 5, 6], [7], [8, 9]]


def documents(records: list[Any] = RECORDS) -> rd.Dataset[Any]:
    return rd.Dataset.from_source(rd.InMemorySource(records, name="toy source"))


def even(document: Any) -> bool:
    """Keeps records 0, 3, 5 and the empty one."""
    return len(document) == 0 or int(document[0]) % 2 == 0 or len(document) == 2


def doubled(document: list[int]) -> list[int]:
    assert document is not None
    return [2 * token for token in document]


def nothing(document: Any) -> bool:
    return False


def picky(document: list[int]) -> bool:
    if 3 in document:
        raise KeyError("three")
    return True


def tokens(dataset: Any) -> list[list[int]]:
    return [np.asarray(document).tolist() for document in dataset]


def integers_of(state: Any) -> list[int]:
    return state["components"]["data"][1]


class Even(grain.transforms.Filter):
    def filter(self, element: Any) -> bool:
        return even(element)


def test_documents_are_left_out() -> None:
    assert tokens(documents().filter(even)) == [[1, 2], [], [4, 5, 6], [8, 9]]


def test_a_filter_of_grain_leaves_out_what_grain_leaves_out() -> None:
    expected = list(grain.MapDataset.source(RECORDS).filter(Even()).to_iter_dataset())

    assert tokens(documents().filter(Even())) == expected


@pytest.mark.parametrize("kind", ["lists", "arrays", "tokens in one buffer"])
def test_every_stage_hands_on_what_was_left_out(kind: str) -> None:
    records: list[Any] = [np.array(record, np.int64) for record in RECORDS] if kind == "arrays" else RECORDS
    chain = documents(records)
    if kind == "tokens in one buffer":
        chain = chain.append_eod(5)
        filtered = chain.filter(lambda document: document[0] != 3, name="no threes")
        assert tokens(filtered.append_eod(9).map(doubled)) == [
            [2 * token for token in (*record, 5, 9)] for record in RECORDS if record != [3]
        ]
        return
    filtered = chain.filter(even).append_eod(9).map(doubled).filter(lambda document: len(document) > 1, name="long")
    assert tokens(filtered.append_eod(7)) == [[2, 4, 18, 7], [8, 10, 12, 18, 7], [16, 18, 18, 7]]


@pytest.mark.parametrize("rows", ["pack", "pad"])
def test_no_row_holds_a_document_that_is_left_out(rows: str) -> None:
    batches = getattr(documents().filter(even).append_eod(9), rows)(8, eod_id=9).batch(1)
    text = [token for batch in batches for token in batch.targets[batch.targets_segmentation > 0].tolist()]

    assert sorted(text) == sorted([1, 2, 9, 9, 4, 5, 6, 9, 8, 9, 9])


def test_a_document_that_is_left_out_keeps_its_position() -> None:
    source = rd.SyntheticSource(200, [3, 5, 8], vocabulary=1000)
    all_rows = rd.Dataset.from_source(source).shuffle(3).repeat(2).pad(8, eod_id=0)
    kept = rd.Dataset.from_source(source).filter(even).shuffle(3).repeat(2).pad(8, eod_id=0)
    expected = [row.targets.tolist() for row in all_rows if even(row.targets[row.targets_segmentation > 0])]

    assert [row.targets.tolist() for row in kept] == expected


def test_left_out_and_empty_documents_are_counted_apart() -> None:
    for dataset, delivered in ((documents().filter(even), 4), (documents().filter(even).pad(4, eod_id=0), 3)):
        iterator = iter(dataset)
        for _ in iterator:
            pass
        progress = iterator.progress()
        assert (progress.documents, progress.dropped) == (delivered, 2)
        assert progress.components["data"].dropped == 2


@pytest.mark.parametrize("level", ["documents", "rows", "batches", "batches in shards"])
def test_what_was_left_out_is_counted_up_to_the_end_and_survives_a_resume(level: str) -> None:
    source = rd.InMemorySource([[record] * (1 + record % 3) for record in range(60)])
    dataset: Any = rd.Dataset.from_source(source).filter(lambda document: document[0] < 31, name="low").repeat(2)
    if level != "documents":
        dataset = dataset.pack(4, window=5, eod_id=0)
    if level.startswith("batches"):
        dataset = dataset.batch(2, drop_remainder=False, shards=2 if level.endswith("shards") else 1)
    iterator, counted = iter(dataset), []
    while True:
        counted.append(iterator.progress())
        resumed = iter(dataset)
        resumed.set_state(through_json(iterator.get_state()))
        assert resumed.progress() == counted[-1]
        assert resumed.get_state() == iterator.get_state()
        if next(iterator, None) is None:
            break

    dropped = [progress.dropped for progress in counted]
    assert dropped == sorted(dropped)
    assert (dropped[0], dropped[-1]) == (0, 58)
    assert counted[-1].components["data"].epochs == 2


def test_each_component_of_a_mix_counts_its_own() -> None:
    def component(first: int) -> rd.Dataset[Any]:
        return rd.Dataset.from_source(rd.InMemorySource([[first + number] for number in range(30)]))

    few = component(100).filter(lambda document: document[0] % 3 == 0, name="thirds")
    mixed = rd.mix({"few": few, "plain": component(0), "half": component(200).filter(even)})
    for dataset in (mixed, mixed.pack(1, window=90, strategy="first_fit", eod_id=0)):
        iterator = iter(dataset)
        for _ in iterator:
            pass
        resumed = iter(dataset)
        resumed.set_state(through_json(iterator.get_state()))
        for progress in (iterator.progress(), resumed.progress()):
            dropped = {name: counts.dropped for name, counts in progress.components.items()}
            assert dropped == {"few": 20, "half": 15, "plain": 0}


def test_of_documents_only_a_component_that_may_drop_has_an_integer_for_it() -> None:
    sizes = [len(integers_of(iter(dataset).get_state())) for dataset in (documents(), documents().filter(even))]

    assert sizes[1] == sizes[0] + 1


def test_every_position_of_filtered_documents_can_be_resumed() -> None:
    dataset = documents().filter(even).shuffle(1).repeat(3)
    whole = tokens(dataset)
    iterator = iter(dataset)
    for step in range(len(whole) + 1):
        assert iterator.step == step
        for onto in (iter(dataset), iterator):
            onto.set_state(through_json(iterator.get_state()))
            assert onto.get_state() == iterator.get_state()
            if onto is not iterator:
                assert tokens(onto) == whole[step:]
        next(iterator, None)


@pytest.mark.parametrize("dataset", [documents().filter(even), documents().filter(even).pad(4, eod_id=0)])
def test_a_damaged_count_is_refused(dataset: rd.Dataset[Any]) -> None:
    iterator = iter(dataset)
    next(iterator)
    state = through_json(iterator.get_state())
    integers_of(state)[-1] += 1

    with pytest.raises(rd.StateError):
        iter(dataset).set_state(state)


def test_a_failing_predicate_is_named_with_the_record_and_those_in_front_are_delivered() -> None:
    iterator = iter(documents().filter(picky))
    assert next(iterator) == [1, 2]

    with pytest.raises(rd.RecordError, match=r"filter: .*picky fails on toy source.*record 1: KeyError") as caught:
        next(iterator)
    assert isinstance(caught.value.__cause__, KeyError)
    assert iterator.step == 1
    assert iterator.progress().documents == 1


@pytest.mark.parametrize("answer", [None, 2, "yes"])
def test_a_predicate_that_answers_neither_yes_nor_no_is_refused(answer: object) -> None:
    filtered = documents().filter(lambda document: answer, name="vague")  # type: ignore[arg-type, return-value]

    with pytest.raises(rd.PipelineError, match=f"vague gives {answer!r} for toy source.*record 0"):
        next(iter(filtered))


def test_a_filter_that_keeps_nothing_for_ever_is_an_error_that_names_it() -> None:
    endless = documents().filter(nothing).repeat()
    for dataset in (endless, endless.pack(4, eod_id=0).batch(1)):
        with pytest.raises(rd.SourceError, match=r"'data': \d+ documents have no token.* filter.*leaves out \d+"):
            next(iter(dataset))
    assert list(documents().filter(nothing)) == []


def test_one_function_is_needed_and_one_alone() -> None:
    for given in ({}, {"predicate": even, "on_lengths": even}):
        with pytest.raises(rd.PipelineError, match="one of predicate and on_lengths="):
            documents().filter(**given)  # type: ignore[arg-type]
    with pytest.raises(rd.PipelineError, match=r"filter: .*no lasting name"):
        documents().filter(lambda document: True)


def test_another_predicate_is_another_pipeline() -> None:
    state = iter(documents().filter(even, version="1")).get_state()

    with pytest.raises(rd.PipelineMismatchError, match=r"filter\.function was .*even@1.*, is .*even@2"):
        iter(documents().filter(even, version="2")).set_state(state)


def test_prefetching_and_processes_change_nothing() -> None:
    batches = documents(RECORDS * 20).filter(even).shuffle(5).repeat().pack(8, eod_id=0).batch(4)
    whole = [batch.targets.tolist() for batch in islice(iter(batches), 10)]
    with iter(batches.prefetch(3)) as ahead:
        assert [batch.targets.tolist() for batch in islice(ahead, 10)] == whole
    parts = [iter(batches.shard(index, 2)) for index in range(2)]
    joined = [
        [row for part in step for row in part.targets.tolist()] for step in islice(zip(*parts, strict=True), 10)
    ]
    assert joined == whole


def is_rare(document: list[int]) -> bool:
    return document[0] % 50 == 7


@pytest.mark.parametrize("seed", range(8))
def test_a_shard_may_miss_the_few_documents_that_are_kept_for_some_epochs(seed: int) -> None:
    # Of 200 documents 4 are kept, and each of 8 shards sees 25 an epoch.
    documents = rd.Dataset.from_source(rd.InMemorySource([[number] * 5 for number in range(200)]))
    batches = documents.filter(is_rare).shuffle(seed).repeat().pack(16, eod_id=0).batch(8, shards=8)

    tokens = [np.unique(batch.targets).tolist() for batch in islice(batches, 4)]
    assert sorted({token for found in tokens for token in found}) == [0, 7, 57, 107, 157]

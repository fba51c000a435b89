import itertools
from typing import Any

import pytest

import resumable_data as rd
from property_tests.testing.running import through_json


def batches(name: str = "data", **settings: object) -> rd.Dataset[rd.LLMBatch]:
    """Rows of 4: documents of 3 and 6 tokens, the second truncated, then of 1 token."""
    source = rd.InMemorySource([[1, 1, 1], [2] * 6, [3]])
    rows = rd.Dataset.from_source(source, name=name).repeat(2).pad(4, eod_id=0, truncate=True)
    return rows.batch(2, **settings)


def test_everything_is_counted() -> None:
    iterator = iter(batches(name="web"))
    next(iterator)
    progress = iterator.progress()

    assert (progress.step, progress.rows, progress.documents) == (1, 2, 2)
    assert (progress.tokens, progress.truncated) == (7, 2)
    assert progress.padding == pytest.approx(1 / 8)
    assert progress.components.keys() == {"web"}
    assert progress.components["web"].tokens == 7


def test_a_pipeline_that_has_not_begun_has_delivered_nothing() -> None:
    progress = iter(batches()).progress()

    assert (progress.step, progress.rows, progress.documents, progress.tokens) == (0, 0, 0, 0)
    assert (progress.truncated, progress.padding, progress.dropped_rows) == (0, 0.0, 0)
    assert progress.components["data"].epochs == 0


def test_at_the_end_all_epochs_are_delivered() -> None:
    iterator = iter(batches())
    for _ in iterator:
        pass
    progress = iterator.progress()

    assert progress.components["data"].epochs == 2
    assert (progress.documents, progress.tokens, progress.truncated) == (6, 16, 4)


def test_epochs_grow_with_every_row() -> None:
    documents = rd.Dataset.from_source(rd.SyntheticSource(10, [4])).repeat(2).pack(4, window=5, eod_id=0)
    iterator = iter(documents.batch(1))
    epochs = [iterator.progress().components["data"].epochs for _ in iterator]

    assert epochs == pytest.approx([row / 10 for row in range(1, 21)])


def test_rows_that_fill_up_a_batch_are_not_counted() -> None:
    source = rd.InMemorySource([[1, 2, 3]])
    iterator = iter(rd.Dataset.from_source(source).pad(4, eod_id=0).batch(8, drop_remainder=False))
    next(iterator)
    progress = iterator.progress()

    assert (progress.rows, progress.tokens, progress.padding) == (1, 3, pytest.approx(1 / 4))


@pytest.mark.parametrize("shard", [0, 1])
def test_progress_is_that_of_all_processes(shard: int) -> None:
    iterator, whole = iter(batches().shard(shard, 2)), iter(batches())
    next(iterator), next(whole)

    assert iterator.progress() == whole.progress()


def test_documents_and_rows_are_counted_without_batches_too() -> None:
    documents = rd.Dataset.from_source(rd.InMemorySource([[1], [2], [3]]))
    rows = documents.pack(4, eod_id=0)
    for dataset, expected in ((documents, (3, 3, 0)), (rows, (1, 3, 3))):
        iterator = iter(dataset)
        for _ in iterator:
            pass
        progress = iterator.progress()
        assert (progress.step, progress.documents, progress.tokens) == expected


def some_documents(*, known: bool) -> rd.Dataset[Any]:
    """40 documents of 1 to 7 tokens, of which every fifth is left out."""
    documents = rd.Dataset.from_source(rd.InMemorySource([[number] * (number % 7 + 1) for number in range(40)]))
    if known:
        return documents.filter(on_lengths=lambda lengths: lengths != 5, name="not 5").shuffle(3).repeat(3)
    return documents.filter(lambda document: len(document) != 5, name="not 5").shuffle(3).repeat(3)


ROWS = {
    "pack": lambda documents: documents.pack(6, window=7, eod_id=0, truncate=True),
    "pad": lambda documents: documents.pad(6, eod_id=0, truncate=True),
}
LENGTHS = [length for length in (number % 7 + 1 for number in range(40)) if length != 5]
ONE_EPOCH = {
    "documents": len(LENGTHS),
    "tokens": sum(min(length, 6) for length in LENGTHS),
    "truncated": sum(length - min(length, 6) for length in LENGTHS),
    "dropped": 40 - len(LENGTHS),
}


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("shards", [1, 3, 8])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("rows", ROWS)
def test_at_every_border_of_epochs_all_of_them_is_counted_and_nothing_else(
    rows: str, known: bool, shards: int, resume: bool
) -> None:
    data = ROWS[rows](some_documents(known=known)).batch(1, shards=shards)
    iterator, epoch, borders = iter(data), 0, list[Any]()
    while next(iterator, None) is not None:
        if iterator.epoch == epoch:
            continue
        epoch = iterator.epoch
        if resume:
            state = through_json(iterator.get_state())
            iterator = iter(data)
            iterator.set_state(state)
        progress = iterator.progress()
        borders.append({name: getattr(progress, name) for name in ONE_EPOCH})
        assert progress.components["data"].epochs == epoch

    assert borders == [{name: epochs * count for name, count in ONE_EPOCH.items()} for epochs in (1, 2, 3)]


@pytest.mark.parametrize("shards", [1, 4])
def test_epochs_never_go_back(shards: int) -> None:
    iterator = iter(ROWS["pack"](some_documents(known=False)).batch(2, shards=shards))
    epochs = [iterator.progress().components["data"].epochs for _ in iterator]

    assert epochs == sorted(epochs)
    assert all(0 < later - earlier < 0.5 for earlier, later in itertools.pairwise(epochs))


@pytest.mark.parametrize("nested", [False, True])
def test_a_mix_of_documents_has_its_shares_while_changed_weights_wait(nested: bool) -> None:
    def mixed(weights: dict[str, int]) -> rd.Dataset[Any]:
        one, two = (
            rd.Dataset.from_source(rd.InMemorySource([[token] * 20] * 50)).repeat().append_eod(9) for token in (2, 3)
        )
        inner = rd.mix({"one": one, "two": two}, weights)
        outer = rd.mix({"inner": inner, "other": one}, {"inner": 1, "other": 1}) if nested else inner
        return outer.pack(64, window=40).batch(2)

    def shares(iterator: Any) -> list[tuple[float, float]]:
        paths = [f"inner/{name}" if nested else name for name in ("one", "two")]
        counts = [iterator.progress().components[path] for path in paths]
        return [(round(one.share, 3), round(one.target, 3)) for one in counts]

    before, changed = iter(mixed({"one": 1, "two": 1})), iter(mixed({"one": 1, "two": 3}))
    next(before)
    changed.set_state(through_json(before.get_state()), allow={"weights"})
    whole = 0.5 if nested else 1.0

    assert shares(before) == shares(changed) == [(whole / 2, whole / 2)] * 2
    next(changed)
    assert shares(changed) == [(whole / 2, whole / 2)] * 2
    for _ in range(60):
        next(changed)
    assert shares(changed)[1][1] == round(whole * 3 / 4, 3)

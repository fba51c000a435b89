import pytest

import resumable_data as rd


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

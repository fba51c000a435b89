import pytest

import resumable_data as rd


def rows(count: int, *, known: bool = True) -> rd.Dataset[rd.LLMBatch]:
    """Rows of one document of one token, numbered from 1."""
    source = rd.InMemorySource([[number] for number in range(1, count + 1)])
    documents = rd.Dataset.from_source(source)
    return (documents if known else documents.map(list, name="as a list")).pad(2, eod_id=9)


def first_tokens(batches: rd.Dataset[rd.LLMBatch]) -> list[list[int]]:
    return [batch.targets[:, 0].tolist() for batch in batches]


@pytest.mark.parametrize(
    ("count", "size", "drop_remainder", "expected"),
    [
        (4, 2, True, [[1, 2], [3, 4]]),
        (5, 2, True, [[1, 2], [3, 4]]),
        (5, 2, False, [[1, 2], [3, 4], [5, 0]]),
        (4, 2, False, [[1, 2], [3, 4]]),
        pytest.param(1, 3, True, [], marks=pytest.mark.filterwarnings("ignore:there is no batch")),
        (1, 3, False, [[1, 0, 0]]),
    ],
)
def test_rows_are_grouped_in_order(count: int, size: int, drop_remainder: bool, expected: list[list[int]]) -> None:
    assert first_tokens(rows(count).batch(size, drop_remainder=drop_remainder)) == expected


def test_a_row_that_fills_up_is_not_scored() -> None:
    (batch,) = rows(1).batch(2, drop_remainder=False)

    assert batch.targets_segmentation.tolist() == [[1, 0], [0, 0]]
    assert batch.inputs_segmentation.tolist() == [[1, 0], [0, 0]]
    assert batch.inputs_position.tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(("drop_remainder", "expected"), [(True, [0, 0, 2]), (False, [0, 0, 0, 0])])
def test_dropped_rows_are_counted_where_the_batches_end(drop_remainder: bool, expected: list[int]) -> None:
    iterator = iter(rows(8).batch(3, drop_remainder=drop_remainder))
    at_the_start = iterator.progress().dropped_rows

    assert [at_the_start, *(iterator.progress().dropped_rows for _ in iterator)] == expected


@pytest.mark.parametrize("known", [True, False])
def test_all_rows_after_the_last_batch_are_counted(known: bool) -> None:
    iterator = iter(rows(10, known=known).batch(6, shards=3))
    next(iterator)
    assert iterator.progress().dropped_rows == 4


@pytest.mark.filterwarnings("ignore:there is no batch")
@pytest.mark.parametrize("known", [True, False])
def test_rows_that_are_too_few_to_be_skipped_are_dropped(known: bool) -> None:
    iterator = iter(rows(10, known=known).batch(6, shards=3))
    iterator.skip(2)
    assert iterator.progress().dropped_rows == 4
    assert next(iterator, None) is None


@pytest.mark.filterwarnings("ignore:there is no batch")
def test_a_batch_that_cannot_be_skipped_is_the_end_though_a_smaller_one_would_fit() -> None:
    # The first two of five rows are skipped, then four are to be.
    iterator = iter(rows(5).batch(rd.BatchSchedule(2, factors={1: 2})))
    iterator.skip(2)
    assert iterator.progress().dropped_rows == 3
    assert next(iterator, None) is None


def test_no_row_of_endless_data_is_dropped() -> None:
    documents = rd.Dataset.from_source(rd.InMemorySource([[1], [2], [3]])).map(list, name="as a list").repeat()
    iterator = iter(documents.pad(2, eod_id=9).batch(4, shards=2).shard(0, 2))
    next(iterator)
    assert iterator.progress().dropped_rows == 0

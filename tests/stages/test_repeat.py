from itertools import islice

import pytest

import resumable_data as rd


def three_documents() -> rd.Dataset[list[int]]:
    return rd.Dataset.from_source(rd.InMemorySource([[1, 1], [2], [3]]))


@pytest.mark.parametrize("epochs", [1, 2, 5])
def test_finite_epochs(epochs: int) -> None:
    assert list(three_documents().repeat(epochs)) == [[1, 1], [2], [3]] * epochs


def test_without_repeat_there_is_one_epoch() -> None:
    assert list(three_documents()) == list(three_documents().repeat(1))


def test_endless_epochs() -> None:
    assert list(islice(iter(three_documents().repeat()), 1000))[-1] == [1, 1]


def test_a_batch_may_span_epochs() -> None:
    batches = three_documents().repeat(2).pack(2, strategy="first_fit", window=3, eod_id=0).batch(3)

    assert [batch.targets.tolist() for batch in batches] == [[[1, 1], [2, 3], [1, 1]]]


@pytest.mark.parametrize("epochs", [0, -1])
def test_no_epochs_are_refused(epochs: int) -> None:
    with pytest.raises(rd.PipelineError, match=f"repeat: {epochs} epochs; pass at least 1"):
        three_documents().repeat(epochs)


@pytest.mark.parametrize("epochs", [2, None])
def test_repeating_twice_is_refused(epochs: int | None) -> None:
    with pytest.raises(rd.PipelineError, match="repeat already"):
        three_documents().repeat(epochs).repeat(2)

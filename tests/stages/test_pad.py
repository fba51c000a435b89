import numpy as np
import pytest

import resumable_data as rd


def documents(*lengths: int) -> rd.Dataset[list[int]]:
    """Documents of these lengths, the tokens of the first 10, 11, …, of the second 20, 21, …"""
    records = [list(range(10 * number, 10 * number + n)) for number, n in enumerate(lengths, start=1)]
    return rd.Dataset.from_source(rd.InMemorySource(records))


def targets(rows: rd.Dataset[rd.LLMBatch]) -> list[list[int]]:
    return [row.targets.tolist() for row in rows]


def test_every_document_has_a_row_in_the_documents_order() -> None:
    assert targets(documents(1, 0, 3, 2).pad(3, eod_id=0)) == [[10, 0, 0], [30, 31, 32], [40, 41, 0]]


def test_a_shuffle_decides_the_order_of_the_rows() -> None:
    shuffled = documents(*[1] * 50).shuffle(5)

    assert targets(shuffled.pad(1, eod_id=0)) == list(shuffled)


def test_a_long_document_has_several_rows() -> None:
    rows = list(documents(5, 1).pad(2, eod_id=99))

    assert [row.targets.tolist() for row in rows] == [[10, 11], [12, 13], [14, 0], [20, 0]]
    assert [row.inputs.tolist() for row in rows] == [[99, 10], [11, 12], [13, 14], [99, 20]]


def test_or_loses_its_tail() -> None:
    iterator = iter(documents(5, 1).pad(2, eod_id=0, truncate=True).batch(1))

    assert [batch.targets.tolist() for batch in iterator] == [[[10, 11]], [[20, 0]]]
    assert iterator.progress().truncated == 3


def test_indexed_rows_say_which_document_and_chunk_they_are() -> None:
    rows = documents(3, 0, 2).pad(2, eod_id=0)
    (batch,) = rows.batch(5, drop_remainder=False, batch_type=rd.LLMIndexedBatch)

    assert isinstance(batch, rd.LLMIndexedBatch)
    assert batch.targets.tolist() == [[10, 11], [12, 0], [30, 31], [0, 0], [0, 0]]
    assert batch.document_idx.tolist() == [1, 1, 3, 0, 0]
    assert batch.sequence_idx.tolist() == [0, 1, 0, 0, 0]
    assert batch.document_idx.dtype == batch.sequence_idx.dtype == np.int32


def test_indexed_rows_keep_their_record_under_a_shuffle() -> None:
    (batch,) = documents(*range(1, 9)).shuffle(1).pad(9, eod_id=0).batch(8, batch_type=rd.LLMIndexedBatch)

    assert (batch.targets[:, 0] // 10).tolist() == batch.document_idx.tolist()
    assert sorted(batch.document_idx.tolist()) == list(range(1, 9))


def test_indexed_rows_can_be_shifted() -> None:
    (batch,) = documents(2).pad(3, eod_id=0).shift("none").batch(1, batch_type=rd.LLMIndexedBatch)

    assert batch.document_idx.tolist() == [1]
    assert batch.inputs.tolist() == [[10, 11, 0]]


def test_packed_rows_have_no_one_document() -> None:
    with pytest.raises(rd.PipelineError, match=r"one document a row; use pad"):
        documents(1).pack(2, eod_id=0).batch(1, batch_type=rd.LLMIndexedBatch)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"length": 0}, "length=0 must be at least 1"),
        ({"eod_id": -1}, "eod_id=-1 is not a token"),
        ({"pad_id": 2**31}, "pad_id=2147483648 is not a token"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, int], message: str) -> None:
    with pytest.raises(rd.PipelineError, match=f"pad: {message}"):
        documents(1).pad(**{"length": 8, "eod_id": 0, **settings})


def kept(document: list[int]) -> bool:
    return len(document) > 0


def padded_mix(**filtered: bool) -> rd.Dataset[rd.LLMBatch]:
    """A mix of components, of which some are filtered: then their lengths have to be measured."""
    lengths = [record % 5 + 1 for record in range(50)]
    parts = {name: documents(*lengths).repeat() for name in filtered}
    parts = {name: part.filter(kept) if filtered[name] else part for name, part in parts.items()}
    return rd.mix(parts, dict.fromkeys(parts, 1)).pad(8, eod_id=0).batch(4)


def test_a_component_of_unknown_lengths_leaves_the_group_in_progress_as_it_is() -> None:
    old = iter(padded_mix(a=False, b=False))
    for _ in range(10):
        next(old)
    new = iter(padded_mix(a=False, b=False, new=True))
    new.set_state(old.get_state(), allow={"sources"})

    # A group has 64 documents, in 16 batches.
    for _ in range(6):
        assert next(new).targets.tolist() == next(old).targets.tolist()
    assert next(new).targets.tolist() != next(old).targets.tolist()

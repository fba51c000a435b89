import pytest

import resumable_data as rd


def rows(records: list[list[int]], length: int = 6, **settings: object) -> rd.Dataset[rd.LLMBatch]:
    documents = rd.Dataset.from_source(rd.InMemorySource(records))
    return documents.pack(length, strategy="concat_split", eod_id=9, pad_id=8, **settings)


def fields(dataset: rd.Dataset[rd.LLMBatch]) -> list[dict[str, list[int]]]:
    names = ("inputs", "targets", "inputs_segmentation", "targets_segmentation")
    return [{name: getattr(row, name).tolist() for name in names} for row in dataset]


@pytest.mark.parametrize("shift", [None, "inputs"])
def test_inputs_are_the_targets_shifted_right(shift: str | None) -> None:
    packed = rows([[1, 2, 3], [4, 5]])

    assert fields(packed if shift is None else packed.shift(shift)) == [
        {
            "inputs": [9, 1, 2, 9, 4, 5],
            "targets": [1, 2, 3, 4, 5, 8],
            "inputs_segmentation": [1, 1, 1, 2, 2, 0],
            "targets_segmentation": [1, 1, 1, 2, 2, 0],
        }
    ]


def test_targets_are_the_inputs_shifted_left_and_end_with_their_document() -> None:
    assert fields(rows([[1, 2, 3], [4, 5]]).shift("targets")) == [
        {
            "inputs": [1, 2, 3, 4, 5, 8],
            "targets": [2, 3, 8, 5, 8, 8],
            "inputs_segmentation": [1, 1, 1, 2, 2, 0],
            "targets_segmentation": [1, 1, 0, 2, 0, 0],
        }
    ]


def test_nothing_is_shifted() -> None:
    assert fields(rows([[1, 2, 3], [4, 5]]).shift("none")) == [
        {
            "inputs": [1, 2, 3, 4, 5, 8],
            "targets": [1, 2, 3, 4, 5, 8],
            "inputs_segmentation": [1, 1, 1, 2, 2, 0],
            "targets_segmentation": [1, 1, 1, 2, 2, 0],
        }
    ]


def test_the_first_input_of_a_continued_document_is_what_precedes_it() -> None:
    second = fields(rows([[1, 2, 3, 4, 5]], length=3))[1]

    assert second["inputs"] == [3, 4, 5]
    assert second["targets"] == [4, 5, 8]


@pytest.mark.parametrize("shift", ["inputs", "targets", "none"])
def test_a_row_is_the_same_whatever_stands_in_the_next(shift: str) -> None:
    documents = rd.Dataset.from_source(rd.InMemorySource([[1], [2], [3]]))
    shifted = documents.pad(3, eod_id=9, pad_id=8).shift(shift)
    (together,) = shifted.batch(3)

    for row, alone in enumerate(shifted.batch(1)):
        assert together.inputs[row].tolist() == alone.inputs[0].tolist()
        assert together.targets[row].tolist() == alone.targets[0].tolist()


def test_inputs_and_targets_share_no_memory() -> None:
    (batch,) = rows([[1, 2, 3]]).shift("none").batch(1)
    batch.inputs[:] = 0

    assert batch.targets.tolist() == [[1, 2, 3, 8, 8, 8]]


def test_an_unknown_shift_is_refused() -> None:
    with pytest.raises(rd.PipelineError, match=r"shift: what='left'; there are 'inputs', 'targets', 'none'"):
        rows([[1]]).shift("left")

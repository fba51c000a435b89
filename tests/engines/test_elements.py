import numpy as np
import pytest

import resumable_data as rd
from property_tests.testing.running import through_json


def documents() -> rd.Dataset[object]:
    return rd.Dataset.from_source(rd.SyntheticSource(9, [2, 5, 1])).shuffle(3).repeat(2)


LEVELS = {
    "documents": documents(),
    "rows": documents().pack(8, eod_id=0, window=4),
    "padded rows": documents().pad(8, eod_id=0),
}


@pytest.mark.parametrize("level", LEVELS)
def test_every_position_can_be_resumed(level: str) -> None:
    dataset = LEVELS[level]
    whole = [np.asarray(getattr(element, "inputs", element)).tolist() for element in dataset]
    iterator = iter(dataset)
    for step in range(len(whole) + 1):
        resumed = iter(dataset)
        resumed.set_state(through_json(iterator.get_state()))
        rest = [np.asarray(getattr(element, "inputs", element)).tolist() for element in resumed]
        assert rest == whole[step:]
        next(iterator, None)


def test_rows_have_one_axis() -> None:
    row = next(iter(LEVELS["rows"]))

    for name in ("inputs", "targets", "inputs_position", "targets_position", "inputs_segmentation"):
        assert getattr(row, name).shape == (8,)
        assert getattr(row, name).dtype == np.int32


def test_rows_are_those_of_the_batches() -> None:
    rows = LEVELS["rows"]
    batches = rows.batch(2, drop_remainder=False)

    text = [line for batch in batches for line in batch.targets.tolist()]
    assert [row.targets.tolist() for row in rows] == [line for line in text if any(line)]


@pytest.mark.parametrize("level", LEVELS)
def test_a_state_of_another_level_is_refused(level: str) -> None:
    others = {name: dataset for name, dataset in LEVELS.items() if name != level}
    state = iter(LEVELS[level]).get_state()

    for other in [*others.values(), LEVELS["rows"].batch(2)]:
        with pytest.raises(rd.PipelineMismatchError, match=r"stage (pack|pad|batch) (is new|was removed)"):
            iter(other).set_state(state)

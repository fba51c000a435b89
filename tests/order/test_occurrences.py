import numpy as np
import pytest

import resumable_data as rd
from resumable_data.order.occurrences import MOST_RECORDS, epochs_of, occurrences, records_of


@pytest.mark.parametrize("epoch", [0, 1, 2**27 - 1])
def test_epoch_and_record_can_be_told_from_the_number(epoch: int) -> None:
    records = np.array([0, 1, 10**9, MOST_RECORDS - 1])
    numbers = occurrences(epoch, records)

    assert numbers.dtype == np.int64
    assert (numbers >= 0).all()
    assert epochs_of(numbers).tolist() == [epoch] * 4
    assert records_of(numbers).tolist() == records.tolist()


def test_in_the_first_epoch_they_are_the_records() -> None:
    assert occurrences(0, np.arange(9)).tolist() == list(range(9))


def test_there_are_no_numbers_without_end() -> None:
    with pytest.raises(rd.PipelineError, match="epoch 134217728"):
        occurrences(2**27, np.arange(2))

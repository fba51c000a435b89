"""An iterator prints where it is."""

from __future__ import annotations

import resumable_data as rd


def _batches() -> rd.Dataset[rd.LLMBatch]:
    return rd.Dataset.from_source(rd.SyntheticSource(4, [3])).repeat().pad(3, eod_id=0).batch(2)


def test_it_says_step_epoch_and_rows() -> None:
    with iter(_batches()) as batches:
        for _ in range(3):
            next(batches)
        assert repr(batches) == "<DataIterator: step 3, epoch 1, 6 rows delivered>"


def test_a_restored_iterator_says_the_saved_position() -> None:
    with iter(_batches()) as batches, iter(_batches()) as restored:
        next(batches)
        restored.set_state(batches.get_state())
        assert repr(restored) == "<DataIterator: step 1, epoch 0, 2 rows delivered>"


def test_a_closed_iterator_prints_too() -> None:
    batches = iter(_batches())
    next(batches)
    batches.close()
    assert repr(batches) == "<DataIterator: step 1, epoch 0, 2 rows delivered, closed>"

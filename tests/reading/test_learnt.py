"""Which tokens are learnt, by a mask under any name, or by labels as Hugging Face has them."""

from typing import Any

import pytest

import resumable_data as rd

RECORD = {
    "ids": [11, 12, 13, 14, 15],
    "mask": [0, 0, 1, 1, 0],
    "gold": [-100, 12, -100, 14, 15],
    "labels": [-100] * 5,
}


def learnt(**settings: Any) -> list[int]:
    documents = rd.Dataset.from_source(rd.InMemorySource([RECORD]))
    (batch,) = documents.pad(8, eod_id=0, tokens="ids", **settings).batch(1)
    return batch.targets[batch.targets_segmentation != 0].tolist()


def test_a_mask_goes_by_any_name() -> None:
    assert learnt(loss_mask="mask") == [13, 14]


def test_labels_say_with_minus_100_what_is_not_learnt() -> None:
    assert learnt(labels="gold") == [12, 14, 15]


def test_the_field_is_delivered_too() -> None:
    documents = rd.Dataset.from_source(rd.InMemorySource([RECORD]))
    (batch,) = documents.pad(6, eod_id=0, tokens="ids", loss_mask="mask").batch(1)

    assert batch.fields["mask"].tolist() == [[0, 0, 1, 1, 0, 0]]


def test_a_well_known_name_that_is_only_a_field_warns() -> None:
    with pytest.warns(UserWarning, match="pass labels='labels'"):
        assert learnt(fields=["labels"]) == RECORD["ids"]


def test_one_thing_says_what_is_learnt() -> None:
    with pytest.raises(rd.PipelineError, match="one of loss_mask='mask' and labels='gold'"):
        learnt(loss_mask="mask", labels="gold")


def test_a_state_of_another_mask_is_refused() -> None:
    documents = rd.Dataset.from_source(rd.InMemorySource([RECORD] * 9))
    rows = [documents.pad(8, eod_id=0, tokens="ids", fields=["mask", "gold"], **mask).batch(1) for mask in MASKS]

    with pytest.raises(rd.PipelineMismatchError, match=r"pad\.learnt was"):
        iter(rows[0]).set_state(iter(rows[1]).get_state())


MASKS: list[dict[str, str]] = [{"loss_mask": "mask"}, {"labels": "gold"}]

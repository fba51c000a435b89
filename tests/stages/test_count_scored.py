from typing import Any

import numpy as np
import pytest

import resumable_data as rd
from property_tests.testing.running import through_json

RECORDS = [
    {"tokens": [1, 2, 3, 4], "loss_mask": [0, 0, 1, 1]},
    {"tokens": [5, 6, 7], "loss_mask": [0, 0, 0]},
    {"tokens": [8, 9], "loss_mask": [1, 0]},
    {"tokens": list(range(10, 20)), "loss_mask": [0] * 8 + [1] * 2},
]


class KnownLengths(rd.InMemorySource):
    """Mappings whose number of tokens the source knows."""

    lengths_known = True

    def lengths(self, indices: Any) -> Any:
        return np.array([len(record["tokens"]) for record in self.read(indices)], np.int64)


def documents(records: list[Any] = RECORDS) -> rd.Dataset[Any]:
    return rd.Dataset.from_source(rd.InMemorySource(records), name="chats")


def rows(method: str, data: rd.Dataset[Any], **settings: Any) -> rd.Dataset[rd.LLMBatch]:
    settings = {"eod_id": 0, "fields": ["loss_mask"], "truncate": True} | settings
    return getattr(data, method)(4, **settings)


@pytest.mark.parametrize("method", ["pack", "pad"])
def test_documents_of_which_nothing_is_scored_are_left_out(method: str) -> None:
    iterator = iter(rows(method, documents(), drop_unscored=True).batch(1))
    batches = list(iterator)

    scored = [int((batch.targets_segmentation != 0).sum()) for batch in batches]
    assert all(scored)
    assert sorted(scored) == [1, 2]
    assert {token for batch in batches for token in batch.targets.ravel().tolist()} == {0, 1, 2, 3, 4, 8, 9}
    progress = iterator.progress()
    assert (progress.documents, progress.dropped, progress.scored, progress.truncated) == (2, 2, 3, 0)


def test_what_is_truncated_is_not_scored() -> None:
    """The last document keeps what is scored of it where it is cut on the left."""
    iterator = iter(rows("pad", documents(), truncate="left", drop_unscored=True).batch(1))

    assert [batch.targets.tolist() for batch in iterator] == [[[1, 2, 3, 4]], [[8, 9, 0, 0]], [[16, 17, 18, 19]]]
    assert (iterator.progress().dropped, iterator.progress().scored) == (1, 5)


def test_where_targets_are_shifted_the_first_token_of_a_document_is_not_a_target() -> None:
    data = rows("pad", documents(), drop_unscored=True)

    assert len(list(data.batch(1))) == 2
    (batch,) = data.shift("targets").batch(1)
    assert batch.targets_segmentation.tolist() == [[0, 1, 1, 0]]


def test_labels_say_it_too() -> None:
    records = [{"input_ids": [1, 2], "labels": [-100, 2]}, {"input_ids": [3, 4], "labels": [-100, -100]}]
    data = documents(records).pad(4, eod_id=0, tokens="input_ids", labels="labels", truncate=True, drop_unscored=True)

    assert [row.targets.tolist() for row in data] == [[1, 2, 0, 0]]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("method", ["pack", "pad"])
def test_scored_tokens_are_counted_where_documents_are_read_first(method: str, known: bool) -> None:
    data = rd.Dataset.from_source(KnownLengths(RECORDS), name="chats") if known else documents()
    batches = rows(method, data, tokens="tokens").batch(1)
    iterator = iter(batches)
    found = sum(int((batch.targets_segmentation != 0).sum()) for batch in iterator)

    assert iterator.progress().scored == (None if known else found)
    assert iterator.progress().components["chats"].scored == (None if known else found)
    assert rows(method, data, tokens="tokens").packing().scored == found == 3


def test_without_a_mask_every_token_is_scored() -> None:
    data = rd.Dataset.from_source(rd.InMemorySource([[1, 2, 3], [4, 5]])).pack(4, eod_id=0)
    iterator = iter(data.batch(1))
    next(iterator)

    assert iterator.progress().scored == iterator.progress().tokens == 3
    assert data.packing().scored == 5


def test_counts_survive_a_restore_and_removed_components_stay_counted() -> None:
    parts = {name: rows("pack", documents(), drop_unscored=True) for name in ("a", "b")}
    both = rd.mix(parts, weights={"a": 1, "b": 1}).batch(1)
    with iter(both) as iterator:
        for _ in range(4):
            next(iterator)
        state, scored = through_json(iterator.get_state()), iterator.progress().scored
    with iter(both) as fresh:
        fresh.set_state(state)
        assert fresh.progress().scored == scored == 6
    with iter(rd.mix({"a": parts["a"]}, weights={"a": 1}).batch(1)) as alone:
        alone.set_state(state, allow={"sources", "weights"})
        assert alone.progress().scored == scored


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        ("pack", {"fields": ()}, "drop_unscored=True needs a field that says what is scored"),
        ("pad", {"truncate": False}, "drop_unscored=True needs truncate='left' or 'right'"),
        ("pack", {"strategy": "concat_split"}, "drop_unscored=True needs best_fit or first_fit"),
        ("pack", {"drop_unscored": "yes"}, "drop_unscored='yes' must be True or False"),
    ],
)
def test_settings_that_would_leave_rows_unscored_are_refused(method: str, settings: Any, message: str) -> None:
    with pytest.raises(rd.PipelineError, match=message):
        rows(method, documents(), **({"drop_unscored": True} | settings))


def test_a_set_of_which_nothing_is_scored_is_an_error() -> None:
    with pytest.raises(rd.SourceError, match="drop_unscored leaves out"):
        next(iter(rows("pad", documents(RECORDS[1:2]), drop_unscored=True).batch(1)))


def test_masks_are_known_to_add_up() -> None:
    rng = np.random.default_rng(0)
    records = [
        {"tokens": np.arange(1, n + 1, dtype=np.int32), "loss_mask": rng.integers(0, 2, n)}
        for n in rng.integers(1, 30, 200).tolist()
    ]
    iterator = iter(rows("pack", documents(records), drop_unscored=True).batch(4, drop_remainder=False))
    scored = sum(int((batch.targets_segmentation != 0).sum()) for batch in iterator)

    assert iterator.progress().scored == scored == sum(int(record["loss_mask"][:4].sum()) for record in records)

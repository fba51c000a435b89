"""A run whose rows get another length."""

import json
from typing import Any

import numpy as np
import pytest

import resumable_data as rd
from property_tests.testing.running import through_json


def data(length: int, **settings: Any) -> rd.Dataset[Any]:
    records = [[record + 1] * (record * 7 % 9 + 1) for record in range(60)]
    documents = rd.Dataset.from_source(rd.InMemorySource(records), name="web").shuffle(seed=3)
    return documents.pack(length, eod_id=0, window=16, **settings).batch(2)


def after(dataset: rd.Dataset[Any], steps: int) -> Any:
    iterator = iter(dataset)
    for _ in range(steps):
        next(iterator)
    return iterator


def test_the_next_batch_has_the_new_length() -> None:
    old, new = after(data(4), 3), iter(data(10))
    new.set_state(through_json(old.get_state()), allow={"length"})
    (edit,) = new.edits

    assert str(edit) == "web: pack.length was 4, is 10"
    assert (edit.step, edit.rows) == (3, 6)
    assert next(new).targets.shape == (2, 10)


def test_the_refusal_says_what_to_allow() -> None:
    with pytest.raises(rd.PipelineMismatchError, match=r"pack.length was 4, is 10\n.*allow=\{'length'\}"):
        iter(data(10)).set_state(after(data(4), 3).get_state())


def test_a_document_in_parts_is_put_together_again() -> None:
    documents = rd.Dataset.from_source(rd.InMemorySource([list(range(1, 13)), [20]]), name="web")
    old = after(documents.pack(3, eod_id=0).batch(1), 1)
    new = iter(documents.pack(16, eod_id=0).batch(1))
    new.set_state(old.get_state(), allow={"length"})
    batch = next(new)

    assert batch.targets.tolist() == [[*range(4, 13), 20, 0, 0, 0, 0, 0, 0]]
    # The first input of a document that goes on is the token before it.
    assert batch.inputs.tolist()[0][:10] == [*range(3, 12), 0]


def test_padding_counts_the_cells_of_both_lengths() -> None:
    old, new = after(data(4), 3), iter(data(10))
    new.set_state(old.get_state(), allow={"length"})
    batches = [next(new) for _ in range(2)]
    progress, cells = new.progress(), 3 * 2 * 4 + 2 * 2 * 10

    assert progress.tokens == old.progress().tokens + sum(int((batch.targets > 0).sum()) for batch in batches)
    assert progress.padding == 1 - progress.tokens / cells


def test_the_shares_of_processes_are_those_of_the_whole() -> None:
    state = after(data(4), 3).get_state()
    whole, *parts = iterators = [iter(data(10)), *(iter(data(10).shard(process, 2)) for process in range(2))]
    for iterator in iterators:
        iterator.set_state(state, allow={"length"})

    for _ in range(4):
        joined = np.concatenate([next(part).targets for part in parts])
        assert joined.tolist() == next(whole).targets.tolist()


def test_truncated_documents_keep_their_length_until_a_group_ends() -> None:
    def rows(length: int) -> rd.Dataset[Any]:
        return data(length, truncate="right")

    with pytest.raises(rd.PipelineMismatchError, match="truncated to it and 6 rows of a group"):
        iter(rows(10)).set_state(after(rows(4), 3).get_state(), allow={"length"})

    new = iter(rows(10))
    new.set_state(iter(rows(4)).get_state(), allow={"length"})
    assert next(new).targets.tolist() == next(iter(rows(10))).targets.tolist()


def test_the_lengths_of_a_mix_change_together() -> None:
    def mixed(length: int) -> rd.Dataset[Any]:
        source = rd.InMemorySource([[record + 1] * 3 for record in range(40)])
        rows = {name: rd.Dataset.from_source(source).repeat().pack(length, eod_id=0) for name in "ab"}
        return rd.mix(rows).batch(2)

    old, new = after(mixed(4), 3), iter(mixed(7))
    new.set_state(old.get_state(), allow={"length"})

    assert [str(edit) for edit in new.edits] == ["a: pack.length was 4, is 7", "b: pack.length was 4, is 7"]


def test_a_change_of_all_components_adds_little_to_a_state() -> None:
    def mixed(count: int, length: int) -> rd.Dataset[Any]:
        source = rd.InMemorySource([[1, 2, 3]] * 9)
        documents = rd.Dataset.from_source(source).repeat()
        return rd.mix({f"component {i:02}": documents.pack(length, eod_id=0) for i in range(count)}).batch(8)

    added: list[float] = []
    for count in (5, 40):
        old, new = after(mixed(count, 4), 10), iter(mixed(count, 7))
        new.set_state(old.get_state(), allow={"length"})
        assert all(edit.counts == new.edits[0].counts for edit in new.edits)
        again = iter(mixed(count, 7))
        again.set_state(through_json(new.get_state()))
        assert again.edits == new.edits
        added.append(len(json.dumps(new.get_state()["edits"])) / count)
    assert added[1] < 1.1 * added[0]

"""The digests that a state carries: of what was delivered, and of what is next."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import resumable_data as rd
from property_tests.testing.running import Watched, through_json


class Source:
    """Documents whose lengths no fingerprint sees."""

    def __init__(self, lengths: list[int]) -> None:
        self._lengths = np.array(lengths)

    def __len__(self) -> int:
        return len(self._lengths)

    def read(self, indices: Any) -> list[list[int]]:
        return [[int(index)] * int(self._lengths[index]) for index in indices]

    def lengths(self, indices: Any) -> Any:
        return self._lengths[indices]

    def fingerprint(self) -> str:
        return "always the same"


def pipeline(source: Any = None, batch: int = 2, seed: int = 1) -> rd.Dataset[Any]:
    source = Source([3, 2, 4] * 5) if source is None else source
    return rd.Dataset.from_source(source).shuffle(seed).repeat(3).pack(4, eod_id=9).batch(batch)


def states(data: rd.Dataset[Any], count: int = 5) -> list[Any]:
    with iter(data) as iterator:
        found = []
        for _ in range(count):
            next(iterator)
            found.append(through_json(iterator.get_state()))
        return found


def chain(data: rd.Dataset[Any], count: int = 5) -> list[str]:
    return [state["delivered_digest"] for state in states(data, count)]


def test_each_step_has_its_own_digest_that_any_way_there_gives() -> None:
    straight = chain(pipeline())
    assert len({*straight, ""}) == 6
    assert chain(pipeline().prefetch(2)) == straight
    for count in (1, 2, 4):
        of_four = pipeline(batch=4)
        assert [chain(of_four.shard(process, count)) for process in range(count)] == [chain(of_four)] * count

    resumed = iter(pipeline())
    resumed.set_state(states(pipeline(), 3)[-1])
    next(resumed), next(resumed)
    sought = iter(pipeline())
    sought.seek(5)
    assert resumed.get_state() == sought.get_state() == states(pipeline())[-1]


def test_another_order_has_another_digest() -> None:
    assert chain(pipeline(), 1) != chain(pipeline(seed=2), 1)
    assert chain(pipeline(), 1) != chain(pipeline(batch=3), 1)


def test_a_digest_is_over_all_batches_and_not_the_last_alone() -> None:
    with iter(pipeline()) as skipping, iter(pipeline()) as straight:
        skipping.skip(1)
        last = next(skipping), next(straight), next(straight)
        assert last[0].targets.tolist() == last[2].targets.tolist()
        digests = [iterator.get_state()["delivered_digest"] for iterator in (skipping, straight)]
    assert digests[0] != digests[1]


def test_a_state_knows_the_next_batch_where_lengths_are_known() -> None:
    with iter(pipeline()) as iterator:
        assert iterator.get_state()["next_digest"] == ""
        batches = sum(1 for _ in iterator)
        assert iterator.get_state()["next_digest"] == "end"
    assert all(state["next_digest"] for state in states(pipeline(), batches - 1))
    assert states(pipeline(Watched(Source([3] * 9))))[-1]["next_digest"] == ""


def test_a_run_whose_next_batch_would_be_another_is_refused() -> None:
    state = states(pipeline(), 3)[-1]
    changed = iter(pipeline(Source([3, 2, 4] * 4 + [3, 3, 4])))
    before = changed.get_state()
    with pytest.raises(rd.PipelineMismatchError, match=r"component 'data': documents of the group .* other lengths"):
        changed.set_state(state)
    assert changed.get_state() == before


def test_that_is_so_between_groups_too() -> None:
    def batches(lengths: list[int]) -> Any:
        return rd.Dataset.from_source(Source(lengths)).pack(4, eod_id=9, window=4).batch(2)

    (state,) = states(batches([4, 4, 2, 4, 2, 2, 4, 4]), 2)[1:]
    changed = iter(batches([4, 4, 2, 4, 4, 2, 2, 4]))
    before = changed.get_state()
    with pytest.raises(rd.PipelineMismatchError, match=r"the batch of step 2 is not the one that followed") as raised:
        changed.set_state(state)
    assert "was " + state["next_digest"] in str(raised.value)
    assert changed.get_state() == before


def test_a_function_that_gives_other_lengths_is_refused_although_its_name_is_the_same() -> None:
    more = 0

    def tokens(text: str) -> list[int]:
        return [5] * (len(text) + more * (text == "aaa"))

    def batches() -> Any:
        texts = rd.InMemorySource(["a" * (place % 5 + 1) for place in range(60)])
        return rd.Dataset.from_source(texts).map(tokens, name="tokens").pack(8, eod_id=9, window=8).batch(2)

    state = states(batches(), 3)[-1]
    assert state["next_digest"] == ""
    iter(batches()).set_state(state)
    more = 1
    changed = iter(batches())
    before = changed.get_state()
    with pytest.raises(rd.PipelineMismatchError, match=r"\(a tokenizer, a function, a package\) gives other results"):
        changed.set_state(state)
    assert changed.get_state() == before


def test_an_edit_may_change_the_next_batch() -> None:
    state = states(pipeline(), 3)[-1]
    edited = iter(pipeline(batch=4))
    edited.set_state(state, allow={"batch"})
    assert edited.get_state()["next_digest"] == ""
    assert edited.get_state()["delivered_digest"] == state["delivered_digest"]


def test_a_skip_changes_the_next_batch_and_is_not_delivered() -> None:
    with iter(pipeline()) as iterator:
        next(iterator)
        before = iterator.get_state()
        iterator.skip(1)
        assert iterator.get_state()["next_digest"] == ""
        assert iterator.get_state()["delivered_digest"] == before["delivered_digest"]
        iterator.set_state(before)
        iterator.skip(1, at=3)
        assert iterator.get_state()["next_digest"] == before["next_digest"]


def test_rows_alone_have_none_and_rows_of_batches_have_that_of_whole_ones() -> None:
    rows = rd.Dataset.from_source(Source([4] * 8)).pad(4, eod_id=9)
    assert chain(rows, 4) == [""] * 4
    of_batches = chain(rows.batch(2), 2)
    assert chain(rows.batch(2).unbatch(), 4) == ["", of_batches[0], of_batches[0], of_batches[1]]


@pytest.mark.parametrize("damage", ["xyz", 7, "", "00", None, "0" * 15 + "G", "0" * 16, "end"])
def test_a_damaged_digest_is_refused(damage: Any) -> None:
    state = states(pipeline(), 1)[-1]
    for key in ("delivered_digest", "next_digest"):
        with pytest.raises(rd.StateError):
            iter(pipeline()).set_state({**state, key: damage})

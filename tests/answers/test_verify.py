import json
from dataclasses import replace

import numpy as np
import pytest

import resumable_data as rd
from property_tests.testing.hostile import resigned
from property_tests.testing.running import through_json
from resumable_data.answers import verify as module


def data(n=7, seed=1, batch=2, **filtering):
    documents = rd.Dataset.from_source(rd.InMemorySource([[k] * (k % 5 + 1) for k in range(n)]), name="toy")
    documents = documents.filter(on_lengths=lambda n: n != 2, name="not_two") if filtering else documents
    return documents.shuffle(seed).repeat().pack(4, eod_id=9).batch(batch)


def state_after(pipeline, steps):
    with iter(pipeline) as iterator:
        for _ in range(steps):
            next(iterator)
        return through_json(iterator.get_state())


def test_a_sound_run_is_said_to_be_one():
    found = data().verify(state_after(data(), 20))
    assert (found.first, found.last, found.rows) == (0, 20, 40)
    assert found.complete["toy"] >= 5
    assert str(found).splitlines()[0].startswith("steps 0 to 19: 40 rows,")
    assert json.loads(json.dumps(found.to_json()))["unchecked"] == []
    assert str(data().verify(state_after(data(), 0))).startswith("step 0: nothing was delivered")
    assert data(filtered=True).verify(state_after(data(filtered=True), 9)).complete["toy"] > 1


def test_content_is_digested_when_that_is_asked_for():
    state = state_after(data(), 5)
    found = data().verify(state, content=True)
    assert data().verify(state).content is None
    assert found.content == data().prefetch(2).verify(state, content=True).content
    assert found.content == data().shard(0, 2).verify(state, content=True).content
    assert str(found).splitlines()[-1] == f"content: {found.content}"
    documents = rd.Dataset.from_source(rd.InMemorySource([[9 - k] * (k % 5 + 1) for k in range(7)]), name="toy")
    other = documents.shuffle(1).repeat().pack(4, eod_id=9).batch(2)
    same_plan = other.verify(state_after(other, 5), content=True)
    assert same_plan.tokens == found.tokens
    assert same_plan.content != found.content


def test_an_earlier_state_shortens_it():
    found = data().verify(state_after(data(), 20), since=state_after(data(), 15))
    assert (found.first, found.last, found.complete, found.unchecked) == (15, 20, {}, ("toy",))
    with pytest.raises(rd.PipelineError, match="since is of step 15, after step 3 of the state"):
        data().verify(state_after(data(), 3), since=state_after(data(), 15))


def test_what_was_skipped_is_not_delivered():
    with iter(data()) as iterator:
        next(iterator)
        iterator.skip(2)
        for _ in range(6):
            next(iterator)
        state = iterator.get_state()
    assert data().verify(state, since=state_after(data(), 1)).last == 7
    assert data().verify(state).complete["toy"] < data().verify(state_after(data(), 9)).complete["toy"]


def test_other_batches_are_found_out():
    state = state_after(data(), 5)
    with pytest.raises(rd.PipelineMismatchError, match="the batches before step 5 have the digest"):
        data().verify(resigned({**state, "delivered_digest": "0" * 16}))


def test_an_edit_in_between_asks_for_a_later_state():
    edited = iter(data(batch=4))
    edited.set_state(state_after(data(), 3), allow={"batch"})
    at_edit = edited.get_state()
    next(edited)
    assert data(batch=4).verify(edited.get_state(), since=at_edit).rows == 4
    with pytest.raises(rd.PipelineError, match="the run was changed at step 3"):
        data(batch=4).verify(edited.get_state())


@pytest.mark.parametrize("fault", ["twice", "short"])
def test_a_record_that_comes_twice_or_in_part_is_found(monkeypatch, fault):
    """Breaks the plans before the check, as a faulty order would."""
    add = module._Once.add

    def broken(self, plan):
        if fault == "twice":
            add(self, plan)
        add(self, replace(plan, length=np.minimum(plan.length, 1)) if fault == "short" else plan)

    state = state_after(data(), 20)
    monkeypatch.setattr(module._Once, "add", broken)
    with pytest.raises(rd.PipelineMismatchError, match=r"comes twice in epoch 0|epoch 0 has only 1 of \d+ tokens"):
        data().verify(state)


def test_the_stretch_that_begins_with_an_edit_is_checked():
    before = state_after(data(), 3)
    edited = iter(data(batch=4))
    edited.set_state(before, allow={"batch"})
    for _ in range(4):
        next(edited)
    state = through_json(edited.get_state())
    found = data(batch=4).verify(state, since=before, allow={"batch"})
    assert (found.first, found.last, found.rows) == (3, 7, 16)
    with pytest.raises(rd.PipelineMismatchError, match="size was 2, is 4") as raised:
        data(batch=4).verify(state, since=before)
    assert raised.value.allow == ("batch",)
    with pytest.raises(rd.PipelineError, match="Give as since the state of step 3, with allow= for the change"):
        data(batch=4).verify(state, since=state_after(data(batch=4), 0))


def mixed(web, records=9):
    rows = {
        name: rd.Dataset.from_source(rd.InMemorySource([[k] * 3 for k in range(n)])).repeat().pack(4, eod_id=9)
        for name, n in (("web", records), ("code", 5))
    }
    return rd.mix(rows, {"web": web, "code": 1}).batch(2)


def continued(pipeline, state, steps, allow, skip=0):
    with iter(pipeline) as iterator:
        iterator.set_state(state, allow)
        if skip:
            iterator.skip(skip)
        for _ in range(steps):
            next(iterator)
        return through_json(iterator.get_state())


def test_an_earlier_state_is_not_verified_across_a_later_edit():
    early, late = state_after(mixed(1), 2), state_after(mixed(1), 4)
    state = continued(mixed(5), late, 4, {"weights"})
    assert mixed(5).verify(state, since=late, allow={"weights"}).first == 4
    with pytest.raises(rd.PipelineError, match=r"the run was changed at step 4 .* Give as since the state of step 4"):
        mixed(5).verify(state, since=early, allow={"weights"})
    grown = continued(mixed(5, records=12), state, 4, {"data"})
    assert mixed(5, records=12).verify(grown, since=late, allow={"weights", "data"}).last == 12


def test_growth_that_is_allowed_does_not_hide_a_skip():
    early = state_after(mixed(1), 2)
    skipped = continued(mixed(1), early, 2, (), skip=3)
    grown = continued(mixed(1, records=12), skipped, 4, {"data"})
    assert mixed(1, records=12).verify(grown, since=early, allow={"data"}).first == 2

import json

import orbax.checkpoint as ocp
import pytest

import resumable_data as rd
from property_tests.testing.running import through_json


def data(batch=2, seed=1, window=16, weights=None, length=4):
    def rows(n):
        documents = rd.Dataset.from_source(rd.SyntheticSource(n, [3, 2])).shuffle(seed).repeat()
        return documents.pack(length, eod_id=0, window=window)

    return rd.mix({"a": rows(30), "b": rows(50)}, weights or {"a": 1, "b": 2}).batch(batch)


def state_after(pipeline, steps, skip=0):
    with iter(pipeline) as iterator:
        for _ in range(steps):
            next(iterator)
        if skip:
            iterator.skip(skip)
        return through_json(iterator.get_state())


def first_difference(one, other, steps=40):
    pairs = zip(iter(one), iter(other), range(steps), strict=False)
    return next((k for a, b, k in pairs if a.inputs.tobytes() != b.inputs.tobytes()), None)


def test_equal_pipelines_are_the_same():
    found = rd.diff(data(), data().prefetch(2), until=30)
    assert found.same
    assert found.compared == (0, 29)
    assert str(found) == ("settings and data: the same\nbatches: the same, steps 0 to 29")


@pytest.mark.parametrize("change", [{"seed": 2}, {"window": 3}, {"weights": {"a": 2, "b": 1}}, {"batch": 3}])
def test_it_finds_the_step_that_comparing_batches_finds(change):
    found = rd.diff(data(), data(**change), until=40)
    assert found.first_step == first_difference(data(), data(**change))
    assert len(found.settings) > 0
    assert found.before == data().explain(found.first_step)
    assert found.after == data(**change).explain(found.first_step)


def test_weights_that_change_later_differ_later():
    changed = data(weights=rd.WeightSchedule({0: {"a": 1, "b": 2}, 7: {"a": 5, "b": 1}}))
    found = rd.diff(data(), changed)
    assert found.first_step == first_difference(data(), changed) >= 7
    assert found.settings == ("mix.weights was a=1 b=2, is from 0: a=1 b=2, from 7: a=5 b=1",)


@pytest.mark.parametrize("count", [1, 2, 9])
def test_a_skip_of_any_length_is_seen_as_a_shift(count):
    found = rd.diff((data(), state_after(data(), 5)), (data(), state_after(data(), 5, skip=count)))
    assert (found.settings, found.first_step, found.shift) == ((), 5, count)


def test_a_skip_is_seen_as_one():
    plain, skipping = state_after(data(), 5), state_after(data(), 5, skip=3)
    found = rd.diff((data(), plain), (data(), skipping))
    assert (found.settings, found.first_step, found.shift) == ((), 5, 3)
    assert found.position == ("only the second was changed before step 5: skip of 3 batches",)
    assert found.after == data().explain(8).__class__(5, 4, data().explain(8).rows)


def test_states_alone_are_compared_as_far_as_they_say():
    found = rd.diff(state_after(data(), 3), state_after(data(batch=4), 5))
    assert found.settings == ("batch.size was 2, is 4",)
    assert found.position == ("step was 3, is 5", "rows was 6, is 20")
    assert (found.compared, found.first_step, found.same) == (None, None, False)
    assert "batches: not compared, as this needs both pipelines" in str(found)
    assert rd.diff(state_after(data(), 3), state_after(data(), 3)).same

    other_order = rd.diff(state_after(data(), 3), state_after(data(seed=2), 3))
    assert "other batches were delivered before step 3: their digests are" in other_order.position[0]
    assert json.loads(json.dumps(other_order.to_json()))["settings"] == list(other_order.settings)


def test_a_run_that_ends_before_the_other_differs_at_its_end():
    def some(n):
        return rd.Dataset.from_source(rd.SyntheticSource(n, [3])).pad(3, eod_id=0).batch(2)

    found = rd.diff(some(8), some(6))
    assert found.first_step == 3  # the first six records are the same
    records = [[1, 2, 3]] * 6
    one, other = (
        rd.Dataset.from_source(rd.InMemorySource(records)).repeat(times).pad(3, eod_id=0).batch(2) for times in (1, 2)
    )
    found = rd.diff(one, other)
    assert (found.first_step, found.before) == (3, None)
    assert "the first:\n  has ended" in str(found)
    assert rd.diff(one, one).compared == (0, 2)


def test_after_an_edit_only_what_follows_can_be_compared():
    edited = iter(data(batch=4))
    edited.set_state(state_after(data(), 6), allow={"batch"})
    assert rd.diff(edited, edited, until=9).compared == (6, 8)


def test_checkpoints_are_found_by_their_path(tmp_path):
    iterators = iter(data()), iter(data())
    for name, iterator in zip(("one", "other"), iterators, strict=True):
        with ocp.CheckpointManager(tmp_path / name, item_names=("data",), item_handlers=_handlers()) as manager:
            for step in (1, 2):
                next(iterator)
                manager.save(step, args=ocp.args.Composite(data=rd.checkpoint.DataSave(iterator)))
    one, other = tmp_path / "one", tmp_path / "other"
    assert rd.diff(one, other).same
    assert rd.diff(one, str(other / "1")).position == ("step was 2, is 1", "rows was 4, is 2")
    assert rd.diff((data(), one / "2" / "data"), other / "2" / "data" / "state.json").position == ()
    with pytest.raises(rd.StateError, match="holds no data item"):
        rd.diff(one, tmp_path)


def _handlers():
    return {"data": rd.checkpoint.DataCheckpointHandler()}


def test_what_is_not_a_run_is_refused():
    with pytest.raises(rd.PipelineError, match=r"diff: a is 3 \(int\)|diff: a is .*int"):
        rd.diff(3, data())
    with pytest.raises(rd.PipelineError, match=r"diff: b: this needs a pipeline of batches"):
        rd.diff(data(), rd.Dataset.from_source(rd.SyntheticSource(4, [3])))
    with pytest.raises(rd.PipelineMismatchError):
        rd.diff((data(), state_after(data(seed=5), 1)), data())
    with pytest.raises(rd.StateError, match="does not exist"):
        rd.diff("/nowhere", data())

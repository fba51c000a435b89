import pytest

import resumable_data as rd
from property_tests.testing.running import through_json
from resumable_data.answers.inspection import inspect


def rows(n=40):
    return rd.Dataset.from_source(rd.SyntheticSource(n, [3])).shuffle(1).repeat().pad(3, eod_id=0)


def inspected(data, steps):
    with iter(data) as iterator:
        for _ in range(steps):
            next(iterator)
        return inspect(through_json(iterator.get_state()))


def weights(found):
    return [round(one.weight, 6) for one in found.components]


@pytest.mark.parametrize(("steps", "expected"), [(0, 0.5), (4, 0.5), (5, 0.75), (9, 0.75)])
def test_weights_are_those_of_the_step(steps, expected):
    schedule = rd.WeightSchedule({0: {"a": 1, "b": 1}, 5: {"a": 3, "b": 1}})
    assert weights(inspected(rd.mix({"a": rows(), "b": rows()}, schedule).batch(2), steps)) == [
        expected,
        1 - expected,
    ]


@pytest.mark.parametrize(("steps", "expected"), [(0, 0), (5, 0.25), (10, 0.5), (20, 0.5)])
def test_weights_that_change_evenly_are_on_their_way(steps, expected):
    schedule = rd.WeightSchedule({0: {"a": 0, "b": 2}, 10: {"a": 1, "b": 1}}, between="linear")
    assert weights(inspected(rd.mix({"a": rows(), "b": rows()}, schedule).batch(2), steps)) == [
        expected,
        1 - expected,
    ]


def test_weights_of_mixes_within_mixes_multiply():
    inner = rd.mix({"b": rows(), "c": rows()}, {"b": 3, "c": 1})
    found = inspected(rd.mix({"a": rows(), "in": inner}, {"a": 1, "in": 4}).batch(20), 3)
    assert [one.path for one in found.components] == ["a", "in/b", "in/c"]
    assert weights(found) == [0.2, 0.6, 0.2]
    assert [one.share for one in found.components] == pytest.approx([0.2, 0.6, 0.2])


def test_settings_of_0_are_said():
    documents = rd.Dataset.from_source(rd.SyntheticSource(40, [3]), name="a").split({"x": 1, "y": 1}, seed=0)["x"]
    (found,) = inspected(documents.append_eod(0).pad(4, eod_id=0).batch(2), 1).components

    assert found.stages[1:3] == ("split(part=0, seed=0, weights=[1, 1])", "append_eod(eod_id=0)")


def test_a_mix_of_documents_counts_documents():
    documents = {name: rd.Dataset.from_source(rd.SyntheticSource(40, [3])).repeat() for name in "ab"}
    schedule = rd.WeightSchedule({0: {"a": 1, "b": 1}, 10**6: {"a": 3, "b": 1}})
    found = inspected(rd.mix(documents, schedule).pack(3, eod_id=0, window=8).batch(4), 4)
    assert weights(found) == [0.5, 0.5]
    assert [one.share for one in found.components] == pytest.approx([0.5, 0.5])


def test_epochs_counts_and_text():
    found = inspected(rows(6).batch(2), 4)
    (component,) = found.components
    assert (found.step, found.rows, component.epoch, component.delivered.tokens) == (4, 8, 1, 24)
    assert (component.weight, component.share) == (1, 1)
    assert str(found).splitlines()[0] == "step 4: 8 rows and 24 tokens delivered"
    assert "edits: none" in str(found)
    assert inspected(rows().batch(2), 0).components[0].share is None


@pytest.mark.parametrize("state", [{}, 3, {"format": "another"}])
def test_what_is_not_a_state_is_refused(state):
    with pytest.raises(rd.StateError):
        inspect(state)

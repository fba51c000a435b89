import json

import pytest

import resumable_data as rd
from resumable_data.answers.when import when


def data(**components):
    parts = {
        name: rd.Dataset.from_source(rd.SyntheticSource(n, [3])).repeat().pad(3, eod_id=0)
        for name, n in (components or {"data": 6}).items()
    }
    if len(parts) == 1:
        return next(iter(parts.values())).batch(2)
    return rd.mix(parts, dict.fromkeys(parts, 1)).batch(2)


def test_it_finds_the_next_or_all():
    assert data().when("data", 3) == ((1, 1),)
    assert data().when("data", 3, until=9) == ((1, 1), (4, 1), (7, 1))
    assert data().when("data", 3, until=1) == ()


def test_it_looks_from_the_step_of_a_state_on():
    iterator = iter(data())
    next(iterator), next(iterator)
    (found,) = data().when("data", 3, state=iterator.get_state())
    assert (found.step, found.row) == (4, 1)


def test_components_of_a_mix_have_their_own_records():
    both = data(a=3, b=5)
    for component, record in (("a", 2), ("b", 2)):
        step, row = both.when(component, record)[0]
        (span,) = both.explain(step).rows[row]
        assert (span.component, span.record) == (component, record)


def test_what_is_not_there_is_said():
    with pytest.raises(rd.PipelineError, match="there is no component 'web'; there are 'data'"):
        data().when("web", 0)
    with pytest.raises(rd.PipelineError, match="'data' has no record 6: it has 6 records, 0 to 5"):
        data().when("data", 6)
    with pytest.raises(rd.PipelineError, match="has no record -1"):
        data().when("data", -1)
    iterator = iter(data())
    next(iterator), next(iterator)
    with pytest.raises(rd.PipelineError, match="until=1 is before step 2 of the state"):
        data().when("data", 0, until=1, state=iterator.get_state())


def test_it_gives_up_on_a_record_that_a_filter_leaves_out():
    documents = rd.Dataset.from_source(rd.InMemorySource([[1, 2, 3], [4]] * 3))
    filtered = documents.filter(on_lengths=lambda n: n == 3, name="threes")
    endless = filtered.repeat().pad(4, eod_id=0).batch(2)
    with pytest.raises(
        rd.PipelineError, match=r"record 1 .* does not come in a whole epoch, up to step \d+: something drops it"
    ):
        endless.when("data", 1)
    assert endless.when("data", 1, until=60) == ()


def test_a_record_of_another_part_of_a_split_never_comes():
    source = rd.Dataset.from_source(rd.SyntheticSource(100, [3]), name="web")
    train, held_out = (part.repeat().pad(3, eod_id=0).batch(2) for part in source.split({"a": 0.9, "b": 0.1}, seed=0))
    (other,) = {span.record for row in held_out.explain(0).rows[:1] for span in row}
    assert held_out.when("web", other)
    with pytest.raises(rd.PipelineError, match=rf"record {other} .* never comes: split leaves it out"):
        train.when("web", other)
    with pytest.raises(rd.PipelineError, match=r"record 7 .* never comes: slice leaves it out"):
        source[:5].pad(3, eod_id=0).batch(2).when("web", 7)


def test_a_component_of_weight_0_is_given_up_on():
    parts = {name: rd.Dataset.from_source(rd.SyntheticSource(9, [3])).repeat().pad(3, eod_id=0) for name in "ab"}
    with pytest.raises(rd.PipelineError, match="its component has weight 0 there"):
        when(rd.mix(parts, {"a": 1, "b": 0}).batch(4).node, "b", 5, most_spans=500)


def test_a_state_may_be_given_by_its_path(tmp_path):
    iterator = iter(data())
    next(iterator), next(iterator)
    (tmp_path / "state.json").write_text(json.dumps(iterator.get_state()))
    assert data().when("data", 3, state=tmp_path) == ((4, 1),)
    assert data().explain(2, state=str(tmp_path)).rows == data().explain(2).rows
    with pytest.raises(rd.PipelineError, match="when: state is an int: give a state, or the path of a checkpoint"):
        data().when("data", 3, state=7)


@pytest.mark.parametrize("part", ["[10:90:7]", "[90:10:-7]", "[::-1]", "split", "slice of a split"])
def test_it_knows_which_records_a_selection_leaves_in(part):
    source = rd.Dataset.from_source(rd.SyntheticSource(100, [3]), name="web")
    some = source.split({"a": 0.7, "b": 0.3}, seed=3)["b"]
    chosen = {
        "[10:90:7]": source[10:90:7],
        "[90:10:-7]": source[90:10:-7],
        "[::-1]": source[::-1],
        "split": some,
        "slice of a split": some[::-2],
    }[part]
    data = chosen.pad(3, eod_id=0).batch(1)
    left_in = {span.record for step in range(len(data)) for row in data.explain(step).rows for span in row}

    for record in range(100):
        if record in left_in:
            assert len(data.when("web", record)) == 1
        else:
            with pytest.raises(rd.PipelineError, match=f"record {record} of the source of 'web' never comes"):
                data.when("web", record)

import json
import sys

import pytest

import resumable_data as rd


def rows(n, lengths=(3,), **settings):
    documents = rd.Dataset.from_source(rd.SyntheticSource(n, list(lengths))).shuffle(1)
    return documents.repeat().pack(8, eod_id=0, **settings)


def mixed():
    weights = rd.WeightSchedule({0: {"a": 1, "b": 1}, 50: {"a": 3, "b": 1}})
    return rd.mix({"a": rows(40, [3, 5]), "b": rows(90)}, weights)


def test_it_says_what_a_run_will_be_like():
    found = mixed().batch(rd.BatchSchedule(8, factors={0: 0.5, 10: 1, 20: 3})).simulate(100)
    a, b = found.components
    assert (a.records, b.records) == (40, 90)
    assert a.epochs > 1 > 0 < b.epochs
    assert found.tokens == a.tokens + b.tokens
    assert a.token_share + b.token_share == pytest.approx(1)
    assert [(ramp.step, ramp.rows) for ramp in found.ramps] == [(0, 4), (10, 8), (20, 24)]
    assert found.processes == (1, 2, 4)
    assert (found.length_bytes, found.kept_bytes) == (8 * 130, 0)
    text = str(found)
    assert text.splitlines()[0].startswith("100 steps from step 0 on: 2,040 rows, ")
    assert json.loads(json.dumps(found.to_json()))["rows"] == 2040


def test_data_that_ends_is_planned_to_its_end():
    data = rd.Dataset.from_source(rd.SyntheticSource(11, [3])).pad(3, eod_id=0).batch(4)
    found = data.simulate()
    assert (found.steps, found.ended, found.left_over, found.asked) == (2, True, 3, None)
    assert "; the data ends there" in found.headline
    assert "the data ends there, but 9 steps were asked for" in data.simulate(9).headline
    assert not data.simulate(1).ended


def test_a_state_is_gone_on_from():
    data = mixed().batch(8)
    with iter(data) as iterator:
        for _ in range(30):
            next(iterator)
        state = iterator.get_state()
    whole, rest = data.simulate(50), data.simulate(20, state=state)
    assert (rest.first, rest.steps) == (30, 20)
    assert rest.tokens == whole.tokens - data.simulate(30).tokens


def test_what_is_cut_off_or_left_out_is_counted():
    documents = rd.Dataset.from_source(rd.InMemorySource([[1] * n for n in (2, 9, 3, 12)] * 5))
    filtered = documents.filter(on_lengths=lambda n: n != 3, name="not_three")
    (component,) = filtered.pack(8, eod_id=0, truncate=True).batch(1).simulate().components
    assert (component.truncated, component.dropped) == (5 * (1 + 4), 5)
    assert "truncated" in str(filtered.pack(8, eod_id=0, truncate=True).batch(1).simulate())


def test_documents_that_have_to_be_read_are_bounded():
    class Unknown:
        def __len__(self):
            return 10

        def read(self, indices):
            return [[1, 2, 3]] * len(indices)

        def fingerprint(self):
            return "ten"

    data = rd.Dataset.from_source(Unknown()).repeat().pack(8, eod_id=0).batch(2).measure(kept_bytes=10**6)
    found = data.simulate(3)
    assert (found.length_bytes, found.kept_bytes) == (0, 10**6)


@pytest.mark.parametrize("steps", [0, -1, 1.5, "9"])
def test_impossible_steps_are_refused(steps):
    with pytest.raises(rd.PipelineError, match="simulate: steps"):
        mixed().batch(8).simulate(steps)


def test_the_page_needs_nothing_else_and_is_the_same_each_time(tmp_path):
    found = rd.mix({"<b>$x": rows(20), 'it\'s & "c"': rows(30)}).batch(4).simulate(30)
    page = found.to_html()
    assert page == found.to_html()
    assert "<b>" not in page
    assert "&lt;b&gt;$x" in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/", "")
    assert page.count("<svg") == 4
    found.save_html(tmp_path / "run.html")
    assert (tmp_path / "run.html").read_text(encoding="utf-8") == page


def test_without_matplotlib_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(rd.PipelineError, match=r"pip install 'resumable_data\[plots\]'"):
        mixed().batch(8).simulate(3).to_html()

import json
import re

import numpy as np
import pytest

import resumable_data as rd
from property_tests.testing import toy_tokenizer


def data(documents=([1, 2, 3], [4], [5, 6]), **settings):
    return (
        rd.Dataset.from_source(rd.InMemorySource(list(documents)), name="toy")
        .repeat()
        .pack(4, eod_id=9, **settings)
        .batch(2)
    )


def content(shown):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', shown.html).group(1))


def test_a_step_says_what_is_where_and_whence_it_comes():
    shown = rd.view(data(), 0)
    first, second = content(shown)["rows"]
    assert [one["from"] for one in first["documents"]] == [
        "toy · epoch 0 · record 0 · tokens 0 to 2 of 3",
        "toy · epoch 0 · record 1 · tokens 0 to 0 of 1",
    ]
    assert [(one["start"], one["stop"]) for one in first["documents"]] == [(0, 3), (3, 4)]
    assert [run["text"] for one in second["documents"] for run in one["runs"]] == ["5 6"]
    assert shown.title == "step 0: 2 rows of 4 tokens, 75.00 % filled, 3 documents, 6 scored tokens"
    assert "View: step 0" in repr(shown)
    assert shown._repr_html_().startswith("<iframe srcdoc=")


def test_a_batch_alone_is_shown_without_origins():
    batch = next(iter(data()))
    shown = rd.view(batch)
    assert "from" not in content(shown)["rows"][0]["documents"][0]
    assert content(rd.view(batch, field="inputs"))["rows"][0]["documents"][0]["runs"][0]["text"] == "9 1 2"
    assert content(rd.view(data(), 0, field="inputs"))["rows"][0]["documents"][0]["runs"][0]["text"] == "9 1 2"


def test_any_run_can_be_named():
    iterator = iter(data())
    expected = rd.view(data(), 3).html
    for _ in range(2):
        next(iterator)
    state = iterator.get_state()
    assert rd.view(iterator, 3).html == rd.view(data(), 3, state=state).html == expected
    assert rd.view((data(), state), 3).html == rd.view(data().prefetch(2), 3).html == expected
    as_dictionaries = rd.Dataset.from_source(rd.InMemorySource([[1, 2, 3], [4], [5, 6]]), name="toy").repeat()
    mapped = as_dictionaries.pack(4, eod_id=9).batch(2, as_dict=True)
    assert rd.view(mapped, 3).html == expected


def test_what_is_not_scored_is_a_run_of_its_own():
    records = [{"ids": [1, 2, 3], "loss_mask": [0, 1, 1]}, {"ids": [4], "loss_mask": [1]}]
    documents = rd.Dataset.from_source(rd.InMemorySource(records), name="toy")
    rows = documents.pack(4, eod_id=9, tokens="ids", fields={"loss_mask": np.int32})
    (row,) = content(rd.view(rows.batch(1), 0))["rows"]
    assert [(run["text"], run["scored"]) for run in row["documents"][0]["runs"]] == [("1", False), ("2 3", True)]


def test_text_is_decoded_many_tokens_at_once():
    tokenizer = toy_tokenizer.shared()
    text = rd.Dataset.from_source(rd.InMemorySource(["größe 漢字", "data"])).tokenize(tokenizer)
    (row,) = content(rd.view(text.pack(64, eod_id=0).batch(1), 0, tokenizer=tokenizer))["rows"]
    assert "größe 漢字" in row["documents"][0]["runs"][0]["text"]


def test_markup_in_documents_and_names_stays_text(tmp_path):
    class Says:
        def decode(self, ids):
            return "</script><script>alert(1)</script><!--"

    shown = rd.view(data(), 0, tokenizer=Says(), path=tmp_path / "batch.html")
    assert shown.html.count("<script") == shown.html.count("</script") == 2
    assert "<!--" not in shown.html
    policy = re.search(r'Content-Security-Policy" content="(.*?)"', shown.html).group(1)
    assert re.fullmatch(
        r"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-\S+'", policy
    )
    assert (tmp_path / "batch.html").read_text(encoding="utf-8") == shown.html


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((data(),), "needs a step: give step="),
        ((data(), -1), "view: step=-1 must not be negative"),
        ((data(), "0"), "view: step"),
        ((3, 0), "view: what is"),
        (({"step": 1}, 0), "a state holds no documents"),
        ((next(iter(data())), 0), "a batch has no step"),
    ],
)
def test_what_cannot_be_shown_is_refused(arguments, message):
    with pytest.raises(rd.PipelineError, match=message):
        rd.view(*arguments)


def test_bad_tokenizers_fields_and_paths_are_refused(tmp_path):
    with pytest.raises(rd.PipelineError, match=r"give an object with decode\(ids\)"):
        rd.view(data(), 0, tokenizer=3)
    with pytest.raises(rd.PipelineError, match="view: field"):
        rd.view(data(), 0, field="labels")
    with pytest.raises(rd.PipelineError, match="cannot be written"):
        rd.view(data(), 0, path=tmp_path / "no" / "batch.html")


def test_the_step_after_an_edit_is_shown_as_it_was():
    small, large = data(), data().node.parent
    iterator = iter(small)
    next(iterator)
    state, edited = iterator.get_state(), rd.RowDataset(large).batch(4)
    with pytest.raises(rd.PipelineMismatchError, match="size was 2, is 4"):
        rd.view(edited, 1, state=state)
    shown = rd.view(edited, 1, state=state, allow={"batch"})
    iterator = iter(edited)
    iterator.set_state(state, allow={"batch"})
    assert shown.title == rd.view(iterator, 1).title
    assert shown.title.startswith("step 1: 4 rows")


def test_a_tokenizer_may_be_given_by_its_path(tmp_path):
    path = str(tmp_path / "tokenizer.json")
    toy_tokenizer.trained().save(path)
    assert rd.view(data(), 0, tokenizer=path).html == rd.view(data(), 0, tokenizer=toy_tokenizer.trained()).html

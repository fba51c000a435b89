"""Conversations in pipelines: rows that learn what the assistant wrote, bad records, states and other pipelines."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import resumable_data as rd
from property_tests.testing.chats import (
    CHAT,
    TEMPLATE,
    TOOLS,
    chat_tokenizer,
    conversation,
    directly,
    new_chat_tokenizer,
)
from property_tests.testing.running import through_json
from property_tests.testing.toy_tokenizer import EOS_ID
from resumable_data.reading.documents import Documents
from resumable_data.stages.apply_chat_template import ApplyChatTemplate

RECORDS = [{"messages": conversation(number)} for number in range(40)]
OTHER_TOOLS = [{"type": "function", "function": {"name": "then"}}]


def documents(records: Sequence[Any]) -> rd.Dataset[Any]:
    return rd.Dataset.from_source(rd.InMemorySource(records, name="toy source"), name="toy")


def chats(records: Sequence[Any] = RECORDS, **settings: Any) -> rd.Dataset[Any]:
    return documents(records).apply_chat_template(chat_tokenizer(), **settings)


def pairs(dataset: Iterable[Any]) -> list[tuple[list[int], list[int]]]:
    return [(one["tokens"].tolist(), one["assistant_masks"].tolist()) for one in dataset]


def content(batch: Any) -> list[bytes]:
    return [np.ascontiguousarray(leaf).tobytes() for leaf in jax.tree.leaves(batch)]


def test_documents_are_what_transformers_gives() -> None:
    assert pairs(chats()) == [directly(record["messages"]) for record in RECORDS]
    (document, *_) = chats()
    assert document["tokens"].dtype == document["assistant_masks"].dtype == np.int32


def test_without_masks_documents_are_tokens() -> None:
    found = [one.tolist() for one in chats(assistant_masks=False)]

    assert found == [directly(record["messages"])[0] for record in RECORDS]
    assert next(iter(chats(assistant_masks=False).pack(64).batch(1))).weights.sum() > 60


def test_tools_are_those_of_all_or_each_records_own() -> None:
    own = [None, TOOLS, [], OTHER_TOOLS, TOOLS]
    records = [{"messages": conversation(place), "tools": tools} for place, tools in enumerate(own)] + [RECORDS[9]]

    assert pairs(chats(records, tools="tools")) == [
        directly(record["messages"], tools=record.get("tools") or None) for record in records
    ]
    assert pairs(chats(tools=TOOLS)) == [directly(record["messages"], tools=TOOLS) for record in RECORDS]


class Counting:
    """A tokenizer that notes how many conversations each call gets."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.asked: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def encode(self, conversations: Sequence[Any], tools: Any) -> Any:
        self.asked.append(len(conversations))
        return self._tokenizer.encode(conversations, tools)


def test_much_text_is_tokenized_in_parts() -> None:
    (step,) = [step for step in chats().node.steps if isinstance(step, ApplyChatTemplate)]
    tokenizer: Any = Counting(step.tokenizer)
    in_parts = replace(step, tokenizer=tokenizer, at_once=2000)
    found = in_parts.apply(Documents(RECORDS), np.arange(len(RECORDS)), "document {}".format)
    assert pairs(found) == [directly(record["messages"]) for record in RECORDS]
    assert max(tokenizer.asked) < len(RECORDS) == sum(tokenizer.asked)


def test_rows_learn_what_the_assistant_wrote_and_nothing_else() -> None:
    batch = next(iter(chats([{"messages": CHAT}]).pad(128, loss_mask="assistant_masks").batch(1)))

    tokens, mask = directly(CHAT)
    assert batch.targets[0, : len(tokens)].tolist() == tokens
    assert batch.inputs[0, : len(tokens)].tolist() == [EOS_ID, *tokens[:-1]]
    assert batch.weights[0].tolist() == [*mask, *[0] * (128 - len(tokens))]
    learnt = chat_tokenizer().decode(batch.targets[batch.weights > 0])
    assert learnt == CHAT[2]["content"] + "<|end|>"


def test_rows_take_the_end_of_document_token_over_and_no_document_is_closed_with_it() -> None:
    named = chats([{"messages": CHAT}], eod_id=7).pack(128, loss_mask="assistant_masks")
    batch = next(iter(named.batch(1)))
    assert batch.inputs[0, 0] == 7
    assert 7 not in batch.targets[0, -8:]
    closed = chats([{"messages": CHAT}]).append_eod(EOS_ID, fields={"assistant_masks": 1})
    assert pairs(closed) == [([*directly(CHAT)[0], EOS_ID], [*directly(CHAT)[1], 1])]


def test_other_fields_and_names_of_fields() -> None:
    records = [{"chat": record["messages"], "id": place} for place, record in enumerate(RECORDS)]
    assert pairs(chats(records, messages="chat")) == pairs(chats())
    named = chats(chat_template=TEMPLATE + "{{ bye }}", chat_template_kwargs={"bye": "Bye", "suffix": "//"})
    assert pairs(named)[0] == directly(
        RECORDS[0]["messages"], chat_template=TEMPLATE + "{{ bye }}", bye="Bye", suffix="//"
    )


def test_json_lines_are_read_whole_and_keys_that_a_message_lacks_stay_away(tmp_path: Path) -> None:
    call = {"role": "assistant", "tool_calls": [{"name": "now", "arguments": {}}], "content": ""}
    records = [{"messages": CHAT, "tools": None}, {"messages": [*CHAT[:2], call], "tools": TOOLS}, RECORDS[3]]
    (tmp_path / "chats.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records))
    source = rd.HuggingFaceSource.from_files(tmp_path / "chats.jsonl", cache_dir=tmp_path / "cache")

    found = rd.Dataset.from_source(source).apply_chat_template(chat_tokenizer())
    assert pairs(found) == [directly(record["messages"]) for record in records]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"text": "Hi!"}, r"apply_chat_template: toy source.*record 2 has no field 'messages', only 'text'"),
        ({"messages": []}, r"record 2: 'messages' is an empty list"),
        ({"messages": ["Hi!"]}, r"record 2: message 0 is a str, not a dictionary"),
        (
            {"messages": [{"role": "judge", "content": "No."}]},
            r"toy source.*record 2, of the roles judge, cannot be made tokens: TemplateError: there is no role "
            r"judge\. Mend it .*skip_bad_records\(at_most=…\)",
        ),
        (
            {"messages": [{"role": "user", "content": 7}]},
            r"record 2, of the roles user, cannot be made tokens: TypeError",
        ),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, r"record 2, of the roles user, .*surrogates"),
    ],
)
def test_bad_records_are_named_or_left_out(record: Any, message: str) -> None:
    records = [*RECORDS[:2], record, *RECORDS[2:5]]
    with pytest.raises(rd.RecordError, match=message):
        list(chats(records))
    with pytest.raises(rd.RecordError, match=message):
        list(chats(records).pack(64, loss_mask="assistant_masks").batch(2))

    iterator = iter(chats(records).skip_bad_records(1))
    assert [one["tokens"].tolist() for one in iterator] == [directly(one["messages"])[0] for one in RECORDS[:5]]
    assert [(one.component, one.record) for one in iterator.bad_records] == [("toy", 2)]
    assert iterator.progress().dropped == 1


def test_a_date_is_not_a_bad_record() -> None:
    dated = chats(chat_template="{{ strftime_now('%Y') }}" + TEMPLATE).skip_bad_records(5)
    with pytest.raises(rd.PipelineError, match="asks for today's date"):
        next(iter(dated))


def test_a_batch_that_fails_as_a_whole_but_not_in_parts_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = chats()
    kind = type(chat_tokenizer())
    encode = kind.apply_chat_template

    def breaks(self: Any, given: Any, **settings: Any) -> Any:
        if len(given) > 1:
            raise RuntimeError
        return encode(self, given, **settings)

    monkeypatch.setattr(kind, "apply_chat_template", breaks)
    with pytest.raises(RuntimeError):
        list(pipeline.pack(64, loss_mask="assistant_masks"))


def batches(**settings: Any) -> rd.Dataset[Any]:
    shuffled = documents(RECORDS).shuffle(3).repeat()
    rows = shuffled.apply_chat_template(chat_tokenizer(), **settings).pack(96, window=8, loss_mask="assistant_masks")
    return rows.batch(4, shards=2)


@pytest.mark.parametrize("ahead", [0, 2])
def test_every_batch_resumes_byte_for_byte_on_fresh_and_used_iterators(ahead: int) -> None:
    data = batches().prefetch(ahead) if ahead else batches()
    expected, states = list[list[bytes]](), list[Any]()
    with iter(data) as iterator:
        states.append(through_json(iterator.get_state()))
        for batch in islice(iterator, 12):
            expected.append(content(batch))
            states.append(through_json(iterator.get_state()))
        for step in (5, 0, 11, 3):
            iterator.set_state(states[step])
            assert content(next(iterator)) == expected[step]
    for step in (1, 6, 10):
        with iter(batches()) as fresh:
            fresh.set_state(states[step])
            assert [content(batch) for batch in islice(fresh, 12 - step)] == expected[step:]


def test_the_batches_are_those_of_tokens_and_masks_made_before() -> None:
    made = [
        {"tokens": tokens, "assistant_masks": mask} for tokens, mask in (directly(one["messages"]) for one in RECORDS)
    ]
    # filter: lengths are then measured, as those of conversations are
    same = documents(made).shuffle(3).repeat().filter(bool, name="all")
    rows = same.pack(96, window=8, loss_mask="assistant_masks", eod_id=EOS_ID)
    for one, other in islice(zip(batches(), rows.batch(4, shards=2), strict=False), 12):
        assert content(one) == content(other)


def test_hosts_have_the_rows_of_the_one_order() -> None:
    whole = [content(batch.targets) for batch in islice(batches(), 6)]
    hosts = [islice(batches().shard(host, 2), 6) for host in range(2)]
    shared = [content(np.concatenate([one.targets, other.targets])) for one, other in zip(*hosts, strict=True)]
    assert shared == whole


@pytest.mark.parametrize(
    ("other", "what"),
    [
        ({"chat_template": TEMPLATE.replace("<|end|>", "<|end|> ")}, "apply_chat_template.chat_template was"),
        ({"chat_template_kwargs": {"suffix": "//"}}, "apply_chat_template.chat_template_kwargs was"),
        ({"tools": TOOLS}, "apply_chat_template.tools was"),
        ({"tools": "tools"}, "apply_chat_template.tools was"),
    ],
)
def test_a_changed_template_is_another_pipeline(other: dict[str, Any], what: str) -> None:
    state = iter(batches()).get_state()
    with pytest.raises(rd.PipelineMismatchError, match=what):
        iter(batches(**other)).set_state(state)
    with pytest.raises(rd.PipelineMismatchError, match=r"apply_chat_template\.tools was"):
        iter(batches(tools=TOOLS)).set_state(iter(batches(tools=OTHER_TOOLS)).get_state())


def test_the_same_template_by_another_way_is_the_same_pipeline() -> None:
    state = iter(batches()).get_state()
    iter(batches(chat_template=TEMPLATE, chat_template_kwargs={})).set_state(state)


def test_it_goes_to_other_processes() -> None:
    sent = pickle.loads(pickle.dumps(batches()))
    assert content(next(iter(sent))) == content(next(iter(batches())))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"messages": 0}, "messages=0 must be a name"),
        ({"chat_template": 7}, r"chat_template must be a Jinja template \(str\), not an int"),
        ({"chat_template_kwargs": [1]}, r"chat_template_kwargs=\[1\] must be a dictionary"),
        ({"chat_template_kwargs": {1: 2}}, "the name in chat_template_kwargs=1 must be a name"),
        ({"tools": []}, "tools is an empty list: leave it out"),
        ({"tools": {}}, "tools is a dict, not a list of JSON schemas"),
        ({"tools": [print]}, r"tools holds .* at place 0, not the JSON schema.*get_json_schema\(function\)"),
        ({"assistant_masks": 1}, "assistant_masks=1 must be True or False"),
        ({"eod_id": -1}, "eod_id=-1 is not a token"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(rd.PipelineError, match=message):
        chats(**settings)


def test_a_mask_that_rows_are_not_told_of_is_pointed_out() -> None:
    with pytest.raises(rd.RecordError, match=r"keys 'tokens', 'assistant_masks'.*loss_mask='assistant_masks'"):
        next(iter(chats().pack(64).batch(1)))
    with pytest.warns(UserWarning, match="pass loss_mask='assistant_masks'"):
        chats().pack(64, fields=["assistant_masks"])


def test_ids_are_those_of_the_tokenizer_with_its_added_tokens() -> None:
    larger = new_chat_tokenizer()
    larger.add_tokens(["position"])
    rows = documents(RECORDS).apply_chat_template(larger).pack(64, loss_mask="assistant_masks")
    assert next(iter(rows.batch(1))).targets.max() < len(larger)
    with pytest.raises(rd.RecordError, match="vocab_size=300"):
        next(iter(chats().pack(64, loss_mask="assistant_masks", vocab_size=300).batch(1)))

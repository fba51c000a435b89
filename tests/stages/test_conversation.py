"""Records as conversations: what is taken of them, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

import resumable_data as rd
from resumable_data.stages.conversation import Conversation, conversation_of, schemas_as_json

USER = {"role": "user", "content": "Hi!"}


def taken(record: Any, tools: str | None = None) -> Conversation:
    return conversation_of(record, "messages", tools, lambda: "record 3")


def test_keys_that_hold_none_are_left_out_and_the_record_stays() -> None:
    message = {"role": "assistant", "content": None, "tool_calls": [{"name": "now"}], "name": None}

    found = taken({"messages": (USER, message)})
    assert found.messages == [USER, {"role": "assistant", "tool_calls": [{"name": "now"}]}]
    assert list(message) == ["role", "content", "tool_calls", "name"]


@pytest.mark.parametrize(("given", "tools"), [(None, None), ([], None), ([{"b": 1, "a": 2}], '[{"b": 1, "a": 2}]')])
def test_tools_keep_the_order_of_their_keys_and_none_are_none(given: Any, tools: str | None) -> None:
    assert taken({"messages": [USER], "tools": given}, "tools").tools == tools
    assert taken({"messages": [USER]}, "tools").tools is None
    assert taken({"messages": [USER], "tools": given}).tools is None


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ("Hi!", r"record 3 is a str, not a dictionary with 'messages'\. Make one of it in a map"),
        ([USER], r"record 3 is a list, not a dictionary with 'messages'"),
        ({"chat": [USER], "id": 7}, r"record 3 has no field 'messages', only 'chat', 'id': pass messages="),
        ({"messages": None}, r"record 3: 'messages' is None, not a list of messages"),
        ({"messages": "[]"}, r"'messages' is a str, not a list of messages\. If it is JSON, parse it in a map"),
        ({"messages": USER}, r"'messages' is a dict, not a list of messages"),
        ({"messages": []}, r"record 3: 'messages' is an empty list\. Leave such records out"),
        ({"messages": [USER, "Ho!"]}, r"record 3: message 1 is a str, not a dictionary such as"),
        ({"messages": [{"from": "human", "value": "Hi!"}]}, r"message 0 has no 'role' .*'from', 'value'\. Rename"),
        ({"messages": [{"role": 1, "content": "Hi!"}]}, r"message 0 has no 'role' that is a text"),
        ({"messages": [USER, {"role": "assistant"}]}, r"message 1, of the role 'assistant', has neither 'content'"),
        ({"messages": [{"role": "user", "content": None}]}, r"message 0, .* has neither 'content' nor 'tool_calls'"),
        ({"messages": [{"role": "user", "text": "Hi!"}]}, r"its keys are 'role', 'text'"),
        ({"messages": [USER], "tools": "[]"}, r"record 3: 'tools' is a str, not a list of JSON schemas\. If it is"),
        ({"messages": [USER], "tools": [7]}, r"'tools' holds an int at place 0, not the JSON schema of a function"),
        ({"messages": [USER], "tools": [{"a": {1}}]}, r"'tools' Object of type set is not JSON serializable"),
    ],
)
def test_what_is_not_a_conversation_is_named(record: Any, message: str) -> None:
    with pytest.raises(rd.RecordError, match=message):
        taken(record, "tools")


def test_numbers_that_json_has_not_are_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        schemas_as_json([{"a": float("nan")}])

"""One record as a conversation: its messages and its tools, with errors that say what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, cast

from resumable_data.arguments import kind_of
from resumable_data.errors import RecordError
from resumable_data.opaque import JsonDict, JsonObject


class Conversation(NamedTuple):
    """What a chat template is given.

    Attributes:
        messages: Dictionaries with a role and a content, without keys that hold None.
        tools: The JSON schemas of the tools, as one JSON text; None where there are none.
    """

    messages: list[JsonDict]
    tools: str | None


def conversation_of(record: object, messages: str, tools: str | None, name: Callable[[], str]) -> Conversation:
    """Returns the conversation in a record.

    Keys of messages that hold None are left out, as ``transformers`` does: Arrow has every key in every message.

    Args:
        record: A mapping.
        messages: The key of its messages.
        tools: The key of its tools, which a record may lack; None where records have none.
        name: What an error calls the record.

    Raises:
        RecordError: There are no messages, or one that no template could make text of.

    >>> record = {"messages": [{"role": "user", "content": "Hi!", "tool_calls": None}]}
    >>> conversation_of(record, "messages", None, lambda: "record 0")
    Conversation(messages=[{'role': 'user', 'content': 'Hi!'}], tools=None)
    """
    if not isinstance(record, Mapping):
        raise RecordError(
            f"{name()} is {kind_of(record)}, not a dictionary with {messages!r}. Make one of it in a map, as in "
            f"{{{messages!r}: [{{'role': 'user', 'content': '…'}}, {{'role': 'assistant', 'content': '…'}}]}}"
        )
    fields = cast(JsonObject, record)
    if messages not in fields:
        raise RecordError(
            f"{name()} has no field {messages!r}, only {', '.join(map(repr, fields))}: pass messages=, the one that "
            "holds the conversation"
        )
    given: object = fields[messages]
    if not isinstance(given, list | tuple):
        raise RecordError(
            f"{name()}: {messages!r} is {kind_of(given)}, not a list of messages. If it is JSON, parse it in a map"
        )
    if not given:
        raise RecordError(
            f"{name()}: {messages!r} is an empty list. Leave such records out by a filter before, or by "
            "skip_bad_records(at_most=…) after apply_chat_template"
        )
    found = [_message(one, place, name) for place, one in enumerate(cast(list[object], given))]
    return Conversation(found, None if tools is None else _tools(fields.get(tools), tools, name))


def _message(given: object, place: int, name: Callable[[], str]) -> JsonDict:
    if not isinstance(given, Mapping):
        raise RecordError(
            f"{name()}: message {place} is {kind_of(given)}, not a dictionary such as "
            "{'role': 'user', 'content': '…'}"
        )
    message = {key: value for key, value in cast(JsonObject, given).items() if value is not None}
    if not isinstance(message.get("role"), str):
        raise RecordError(
            f"{name()}: message {place} has no 'role' that is a text; its keys are {', '.join(map(repr, message))}. "
            "Rename them in a map, such as {'role': …, 'content': …}"
        )
    # Templates ignore missing keys silently. A tool call needs no content.
    if "content" not in message and "tool_calls" not in message:
        raise RecordError(
            f"{name()}: message {place}, of the role {message['role']!r}, has neither 'content' nor 'tool_calls'; "
            f"its keys are {', '.join(map(repr, message))}"
        )
    return message


def _tools(given: object, key: str, name: Callable[[], str]) -> str | None:
    if given is None or given == []:
        return None
    try:
        return schemas_as_json(given)
    except (TypeError, ValueError) as error:
        raise RecordError(f"{name()}: {key!r} {error}. If it is JSON, parse it in a map") from error


def schemas_as_json(tools: object) -> str:
    """Returns JSON schemas of functions as one JSON text. Keys keep their order, because templates show it.

    Raises:
        TypeError: It is not a list of dictionaries.
        ValueError: It holds a number that JSON does not have.

    >>> schemas_as_json([{"type": "function", "function": {"name": "now"}}])
    '[{"type": "function", "function": {"name": "now"}}]'
    """
    if not isinstance(tools, list | tuple):
        raise TypeError(f"is {kind_of(tools)}, not a list of JSON schemas")
    for place, tool in enumerate(cast(Sequence[object], tools)):
        if not isinstance(tool, dict):
            raise TypeError(f"holds {kind_of(tool)} at place {place}, not the JSON schema of a function (a dict)")
    return json.dumps(tools, allow_nan=False)

"""Conversations, and a small tokenizer with a chat template that marks the assistant's tokens."""

from __future__ import annotations

from functools import cache
from typing import Any

from property_tests.testing.toy_tokenizer import with_names

# Roles take turns, as many templates require. Jinja removes the last line break.
TEMPLATE = """{%- if tools %}{{- '<|tools|>' + (tools | tojson) + '\\n' }}{%- endif %}
{%- for message in messages %}
{%- if message.role not in ['system', 'user', 'assistant', 'tool'] %}
{{- raise_exception('there is no role ' + message.role) }}
{%- endif %}
{{- '<|turn|>' + message.role + '\\n' }}
{%- if message.role == 'assistant' %}
{%- generation %}{{- message.content }}{% for call in message.tool_calls %}{{ call | tojson }}{% endfor %}<|end|>
{%- endgeneration %}
{%- else %}{{- message.content + '<|end|>' }}
{%- endif %}
{{- suffix if suffix is defined else '\\n' }}
{%- endfor %}
"""

CHAT = [
    {"role": "system", "content": "A state is a position."},
    {"role": "user", "content": "What is a pipeline?"},
    {"role": "assistant", "content": "Plan, read, assemble, place: façade, 数据."},
]

TOOLS = [{"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}]


def new_chat_tokenizer(template: Any = TEMPLATE, **settings: Any) -> Any:
    """Makes a new tokenizer."""
    tokenizer = with_names(chat_template=template, **settings)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|turn|>", "<|end|>", "<|tools|>"]})
    return tokenizer


@cache
def chat_tokenizer() -> Any:
    """Returns one tokenizer for all tests that do not change it."""
    return new_chat_tokenizer()


def conversation(number: int) -> list[dict[str, Any]]:
    """Makes the conversation of a number. No two are equal."""
    turns: list[dict[str, Any]] = [{"role": "system", "content": f"Conversation {number}."}] * (number % 2)
    for turn in range(1 + number % 3):
        turns.append({"role": "user", "content": f"Question {turn} of {number}: " + "why? " * (number % 7)})
        turns.append({"role": "assistant", "content": f"{number} answers {turn}. " + "Because. " * (number % 5)})
    return turns


def directly(messages: Any, tokenizer: Any = None, **settings: Any) -> tuple[list[int], list[int]]:
    """Returns tokens and mask of one conversation, by the public call of ``transformers``."""
    found = (tokenizer or chat_tokenizer()).apply_chat_template(
        messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=True, **settings
    )
    return found["input_ids"], found["assistant_masks"]

"""Tokenizers with chat templates: what their public call gives, and which of them are refused."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, processors
from transformers.utils import chat_template_utils

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
from property_tests.testing.toy_tokenizer import EOS_ID, with_names
from resumable_data.stages import chat_tokenizer as chat_tokenizer_module
from resumable_data.stages.chat_tokenizer import ChatTokenizer

CHATS = [conversation(number) for number in range(20)]


def of(tokenizer: Any, template: Any = None, masked: bool = True, **variables: Any) -> ChatTokenizer:
    return ChatTokenizer(tokenizer, template, variables, masked, (False, True))


def without(template: str) -> str:
    """A template that does not say what the assistant wrote."""
    return template.replace("{%- generation %}", "").replace("{%- endgeneration %}", "")


@pytest.mark.parametrize(
    "end", ["", "\n", "\n\n", "  ", "\n  ", "\r\n", "  \n", "\t{# end #}", "\n  {%- if 1 %} {% endif %}"]
)
@pytest.mark.parametrize("tools", [None, TOOLS])
def test_it_is_what_transformers_gives_for_each_alone(end: str, tools: Any) -> None:
    template = TEMPLATE + end
    found = of(chat_tokenizer(), template).encode(CHATS, tools)

    expected = [directly(chat, chat_template=template, tools=tools) for chat in CHATS]
    assert [*zip(found.ids, found.masks or [], strict=True)] == expected
    assert all(0 < sum(mask) < len(mask) for _, mask in expected)


def test_variables_reach_the_template_and_without_masks_there_are_none() -> None:
    found = of(chat_tokenizer(), without(TEMPLATE), masked=False, suffix=" // ").encode([CHAT], None)

    assert found.masks is None
    assert found.ids == [directly(CHAT, suffix=" // ")[0]]


def test_what_the_tokenizer_is_set_to_cuts_and_fills_up_nothing_and_stays() -> None:
    tokenizer = new_chat_tokenizer(model_max_length=8)
    tokenizer.backend_tokenizer.enable_truncation(8)
    tokenizer.backend_tokenizer.enable_padding(length=512)
    chats = of(tokenizer)

    assert chats.encode([CHAT], None) == ([directly(CHAT)[0]], [directly(CHAT)[1]])
    assert tokenizer.backend_tokenizer.truncation["max_length"] == 8
    assert tokenizer.model_max_length == 8
    tokenizer.chat_template = "{{ messages }}"
    tokenizer.add_tokens(["position"])
    assert chats.encode([CHAT], None).ids == [directly(CHAT)[0]]


def test_a_folder_is_loaded_and_a_copy_is_the_same(tmp_path: Path) -> None:
    chat_tokenizer().save_pretrained(tmp_path)
    loaded, here = of(str(tmp_path)), of(chat_tokenizer())

    assert (loaded.fingerprint, loaded.template, loaded.vocab_size) == (
        here.fingerprint,
        here.template,
        len(chat_tokenizer()),
    )
    assert loaded.eos_id == EOS_ID
    sent = pickle.loads(pickle.dumps(loaded))
    assert sent.encode(CHATS, TOOLS) == here.encode(CHATS, TOOLS)


def test_the_fingerprints_tell_what_decides_tokens_and_masks(tmp_path: Path) -> None:
    plain = of(new_chat_tokenizer())
    other_end = new_chat_tokenizer()
    other_end.eos_token = "<|end|>"
    offsets = new_chat_tokenizer()
    offsets.backend_tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    more = new_chat_tokenizer()
    more.add_tokens(["position"])

    assert of(new_chat_tokenizer()).fingerprint == plain.fingerprint
    assert len({plain.fingerprint, *(of(one).fingerprint for one in (other_end, offsets, more))}) == 4
    assert of(new_chat_tokenizer(), TEMPLATE + " ").template != plain.template
    assert of(new_chat_tokenizer(), TEMPLATE).template == plain.template
    assert of(chat_tokenizer(), a=1, b=2).variables != of(chat_tokenizer(), b=2, a=1).variables
    code = (
        "from property_tests.testing.chats import *; from resumable_data.stages.chat_tokenizer import ChatTokenizer;"
        "found = ChatTokenizer(new_chat_tokenizer(), None, {}, True, (False, True));"
        "print(found.fingerprint, found.template)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.stdout.split() == [plain.fingerprint, plain.template], ran.stderr


def test_a_tokenizer_with_several_templates_has_one_for_tools() -> None:
    named = {"default": TEMPLATE, "tool_use": "{{ 'T' }}" + TEMPLATE, "plain": without(TEMPLATE)}
    tokenizer = new_chat_tokenizer(named)

    chats = of(tokenizer)
    assert chats.encode([CHAT], None).ids == [directly(CHAT)[0]]
    assert chats.encode([CHAT], TOOLS).ids == [directly(CHAT, tokenizer, tools=TOOLS)[0]]
    assert of(tokenizer, "plain", masked=False).encode([CHAT], None).ids == [directly(CHAT)[0]]
    with pytest.raises(rd.PipelineError, match="multiple chat templates with no default"):
        of(new_chat_tokenizer({"one": TEMPLATE}))
    # A template that is never used need not say anything.
    one_sided = new_chat_tokenizer({"default": TEMPLATE, "tool_use": without(TEMPLATE)})
    ChatTokenizer(one_sided, None, {}, True, (False,))
    with pytest.raises(rd.PipelineError, match=r"has no \{% generation %\}"):
        ChatTokenizer(one_sided, None, {}, True, (True,))


def test_a_template_without_generation_is_refused_with_what_to_do() -> None:
    comment = without(TEMPLATE) + "{# {% generation %} #}{% set generation = 1 %}"
    for template in (without(TEMPLATE), comment):
        with pytest.raises(
            rd.PipelineError, match=r"has no \{% generation %\}.*endgeneration.*assistant_masks=False"
        ):
            of(chat_tokenizer(), template)
        of(chat_tokenizer(), template, masked=False)
    of(chat_tokenizer(), TEMPLATE.replace("{%- generation %}", "{%+  generation -%}"))


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("chat_template.jinja", r"is not a Jinja template.*read_text\(\)"),
        ("", "is not a Jinja template"),
        ("{% for message in messages %}", r"is not valid Jinja: line 1: .*endfor"),
        ("{{ messages | no_such_filter }}", r"is not valid Jinja: line 1: No filter named"),
    ],
)
def test_what_is_not_a_template_is_refused(template: str, message: str) -> None:
    with pytest.raises(rd.PipelineError, match=message):
        of(chat_tokenizer(), template, masked=False)


@pytest.mark.parametrize(
    ("tokenizer", "message"),
    [
        (None, "takes a fast tokenizer of transformers, or the folder or name of one, not None"),
        (with_names(), "has no chat template: pass chat_template="),
        (Tokenizer(models.BPE()), "has no chat template and names no special tokens: pass the folder"),
        ("./missing", "apply_chat_template: .*no such file or folder: './missing'"),
    ],
)
def test_what_has_no_chat_template_is_refused(tokenizer: Any, message: str) -> None:
    with pytest.raises(rd.PipelineError, match=message):
        of(tokenizer)


@pytest.mark.parametrize("name", ["padding", "documents", "add_generation_prompt", "tokenize"])
def test_arguments_of_transformers_are_not_variables(name: str) -> None:
    with pytest.raises(rd.PipelineError, match=f"'{name}' is an argument of transformers' apply_chat_template"):
        of(chat_tokenizer(), **{name: True})
    with pytest.raises(rd.PipelineError, match=r"'when' is .*, not a plain JSON value"):
        of(chat_tokenizer(), when={1})


DATED = "{% if not date_string is defined %}{% set date_string = strftime_now('%Y') %}{% endif %}{{ date_string }}"


def test_todays_date_is_refused_and_a_date_that_is_given_is_not() -> None:
    with pytest.raises(rd.PipelineError, match=r"asks for today's date .*'date_string': '26 Jul 2024'"):
        of(chat_tokenizer(), DATED + TEMPLATE).encode([CHAT], None)
    dated = of(chat_tokenizer(), DATED + TEMPLATE, date_string="May")
    assert dated.encode([CHAT], None).ids == [directly(CHAT, chat_template="May" + TEMPLATE)[0]]


def test_another_error_of_a_template_that_could_ask_for_the_date_is_its_own() -> None:
    dated = of(chat_tokenizer(), DATED + TEMPLATE, date_string="May")
    with pytest.raises(Exception, match="there is no role judge"):
        dated.encode([[{"role": "judge", "content": ""}]], None)


@pytest.mark.parametrize("rendered", [lambda: TEMPLATE, lambda: chat_tokenizer_module._own(TEMPLATE)])
def test_threads_that_render_the_same_template_change_no_mask(rendered: Any) -> None:
    chats, expected = of(chat_tokenizer()), [directly(chat) for chat in CHATS]
    # What transformers has compiled, of a text once, holds the notes of the thread that is rendering.
    compiled = chat_template_utils._compile_jinja_template(rendered())

    with compiled.environment.activate_tracker([], []), ThreadPoolExecutor(1) as other:
        found = other.submit(chats.encode, CHATS, None).result()
    assert [*zip(found.ids, found.masks or [], strict=True)] == expected


def test_slow_tokenizers_are_refused(tmp_path: Path) -> None:
    from transformers import CTRLTokenizer

    (tmp_path / "vocab.json").write_text(json.dumps({"a</w>": 0, "<unk>": 1}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    slow = CTRLTokenizer(str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt"), chat_template=TEMPLATE)
    with pytest.raises(rd.PipelineError, match="CTRLTokenizer is a slow tokenizer"):
        of(slow)

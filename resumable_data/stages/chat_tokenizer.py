"""Wraps a tokenizer with its chat template: conversations in, tokens and assistant masks out."""

from __future__ import annotations

import copy
import inspect
import json
import os
import re
import sys
import threading
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, cast

from resumable_data.arguments import kind_of, shown
from resumable_data.digest import Json, canonical_json, digest
from resumable_data.errors import PipelineError
from resumable_data.opaque import JsonDict, JsonObject, Tokenizer
from resumable_data.stages.fast_tokenizer import FastTokenizer
from resumable_data.stages.load_tokenizer import load_tokenizer, text_package

_STAGE = "apply_chat_template"


class Tokenized(NamedTuple):
    """Conversations as tokens.

    Attributes:
        ids: The tokens of each.
        masks: 1 for each token that the assistant wrote, else 0; None if nobody asked for masks.
    """

    ids: list[list[int]]
    masks: list[list[int]] | None


class ChatTokenizer:
    """A copy of a tokenizer of ``transformers``, which renders conversations by a chat template and tokenizes them.

    The tokenizer's own ``apply_chat_template`` does all of it, without truncation or padding.

    Args:
        tokenizer: A fast tokenizer of ``transformers``, or a folder or a name for ``AutoTokenizer.from_pretrained``.
        chat_template: A Jinja template, or the name of one of the tokenizer's; by default the tokenizer's own.
        variables: Variables of the template besides messages and tools: plain JSON values.
        masked: Whether to make masks. The template then has to say what the assistant wrote.
        with_tools: Whether conversations have tools; both values if only some do. Each can have its own template.

    Raises:
        PipelineError: The tokenizer, the template or a variable cannot be used.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        chat_template: str | None,
        variables: Mapping[str, Json],
        masked: bool,
        with_tools: Sequence[bool],
    ) -> None:
        text_package("jinja2")
        given = _of_transformers(tokenizer)
        backend = FastTokenizer.of(given)
        self._tokenizer = copy.deepcopy(given)
        self._tokenizer.model_max_length = sys.maxsize  # the tokenizer only warns beyond it
        self._masked = masked
        self._templates = {tools: _template(self._tokenizer, chat_template, tools) for tools in with_tools}
        for text in self._templates.values():
            _check_template(self._tokenizer, text, masked)
        self.variables = _as_json(self._tokenizer, variables)
        """The variables as JSON, in their order, because a template may show it; None if there are none."""
        self.vocab_size = backend.vocab_size
        """The largest id of a token, plus 1."""
        self.eos_id: int | None = given.eos_token_id
        """The end-of-sequence token, or None."""
        # The post-processor decides the offsets of tokens, and so the masks. Templates see the special tokens.
        after = json.loads(given.backend_tokenizer.to_str()).get("post_processor")
        named: Json = {name: str(token) for name, token in given.special_tokens_map.items()}
        self.fingerprint = digest("chat-tokenizer", backend.fingerprint, canonical_json(after), canonical_json(named))
        """Digest of what decides the tokens of a rendered text, and of the special tokens that templates see."""
        self.template = digest("chat-template", *self._templates.values())
        """Digest of the templates."""

    def encode(self, conversations: Sequence[Sequence[JsonDict]], tools: Sequence[JsonObject] | None) -> Tokenized:
        """Renders and tokenizes conversations.

        Args:
            conversations: The messages of each.
            tools: The tools that all of them have, or None.

        Raises:
            Exception: Any error of the template, or of what it calls.
            PipelineError: The template asks for today's date.
        """
        text = self._templates[tools is not None]
        try:
            return self._encoded(conversations, tools, text, {"strftime_now": None})
        except Exception as error:
            if _asks(text, "strftime_now") and self._renders(conversations, tools, text):
                raise PipelineError(
                    f"{_STAGE}: the chat template asks for today's date (strftime_now): a resumed run would have "
                    "other tokens tomorrow. Pass what the template takes instead, such as chat_template_kwargs="
                    "{'date_string': '26 Jul 2024'}, or a chat_template= in which the date is written out"
                ) from error
            raise

    def _encoded(
        self,
        conversations: Sequence[Sequence[JsonDict]],
        tools: Sequence[JsonObject] | None,
        template: str,
        instead: JsonObject,
    ) -> Tokenized:
        found = self._tokenizer.apply_chat_template(
            list(conversations),
            tools=None if tools is None else list(tools),
            chat_template=_own(template),
            tokenize=True,
            return_dict=True,
            return_assistant_tokens_mask=self._masked,
            **{**instead, **json.loads(self.variables or "{}")},
        )
        return Tokenized(found["input_ids"], found["assistant_masks"] if self._masked else None)

    def _renders(
        self, conversations: Sequence[Sequence[JsonDict]], tools: Sequence[JsonObject] | None, template: str
    ) -> bool:
        """Returns whether the template renders once it has today's date."""
        try:
            self._encoded(conversations, tools, template, {})
        except Exception:
            return False
        return True


def _of_transformers(tokenizer: Tokenizer) -> Tokenizer:
    """Returns the tokenizer of ``transformers``: the one given, or that of the path or name given."""
    if isinstance(tokenizer, str | os.PathLike):
        try:
            tokenizer = load_tokenizer(os.fspath(cast(str, tokenizer)))
        except PipelineError as error:
            raise PipelineError(f"{_STAGE}: {error}") from error
    if isinstance(tokenizer, text_package("tokenizers").Tokenizer):
        raise PipelineError(
            f"{_STAGE}: a tokenizers.Tokenizer, or a tokenizer.json, has no chat template and names no special "
            "tokens: pass the folder of save_pretrained, or transformers.PreTrainedTokenizerFast(tokenizer_object=…, "
            "eos_token=…, chat_template=…)"
        )
    if not isinstance(tokenizer, text_package("transformers").PreTrainedTokenizerBase):
        raise PipelineError(
            f"{_STAGE} takes a fast tokenizer of transformers, or the folder or name of one, not {kind_of(tokenizer)}"
        )
    if not tokenizer.is_fast:
        raise PipelineError(
            f"{_STAGE}: {type(tokenizer).__name__} is a slow tokenizer, written in Python, which cannot say where "
            "its tokens stand in the text: load its fast version with AutoTokenizer.from_pretrained"
        )
    return tokenizer


def _template(tokenizer: Tokenizer, chat_template: str | None, tools: bool) -> str:
    """Returns the template for conversations with tools, or without."""
    if chat_template is None and not tokenizer.chat_template:
        raise PipelineError(
            f"{_STAGE}: the tokenizer has no chat template: pass chat_template=, a Jinja template, or the tokenizer "
            "of a model for chats"
        )
    try:
        return tokenizer.get_chat_template(chat_template, tools=[] if tools else None)
    except ValueError as error:
        raise PipelineError(f"{_STAGE}: {error}") from error


def _check_template(tokenizer: Tokenizer, template: str, masked: bool) -> None:
    """Raises PipelineError if a template cannot be compiled, or does not say what the assistant wrote."""
    jinja2 = text_package("jinja2")
    if "{{" not in template and "{%" not in template:
        raise PipelineError(
            f"{_STAGE}: chat_template={shown(template)} is not a Jinja template, with {{{{ … }}}} and {{% … %}}, nor "
            "the name of one of the tokenizer's: pass its text, as Path('chat_template.jinja').read_text()"
        )
    try:
        tokenizer.apply_chat_template([{"role": "user", "content": ""}], chat_template=_own(template), tokenize=False)
    except jinja2.TemplateSyntaxError as error:
        raise PipelineError(
            f"{_STAGE}: the chat template is not valid Jinja: line {error.lineno}: {error.message}"
        ) from error
    except ImportError as error:
        raise PipelineError(f"{_STAGE}: {error}") from error
    except Exception:
        pass  # The template is valid. It refuses this conversation, which is ours and not the user's.
    if masked and not _asks(template, "generation", begins="block_begin"):
        raise PipelineError(
            f"{_STAGE}: the chat template has no {{% generation %}}: it does not say what the assistant wrote, and "
            "there is no assistant mask. Copy it (tokenizer.chat_template), write {% generation %} and "
            "{% endgeneration %} around what the assistant writes, with the token that ends its turn, and pass it as "
            "chat_template=. Or learn every token, those of the user too: assistant_masks=False"
        )


def _asks(template: str, name: str, begins: str | None = None) -> bool:
    """Returns whether a template uses a name; with ``begins``, right after that kind of Jinja token."""
    lexed = text_package("jinja2").Environment().lex(template)
    words = [("", ""), *((kind, value) for _, kind, value in lexed if kind != "whitespace")]
    return any(word == ("name", name) and begins in (None, before) for (before, _), word in pairwise(words))


def _own(template: str) -> str:
    """Returns the same template with a comment that is unique to this thread.

    ``transformers`` compiles each text once, and records what the assistant wrote in the compiled template. Two
    threads that render one text would mix these records up, such as a loop that samples its model while data is read.
    """
    # Jinja drops one newline at the end, and blanks before a comment unless it has a plus.
    whole = re.sub(r"(\r\n|\r|\n)\Z", "", template)
    return f"{whole}{{#+ {os.getpid()}, {threading.get_ident()} #}}"


def _as_json(tokenizer: Tokenizer, variables: Mapping[str, Json]) -> str | None:
    """Returns variables as JSON, in their order; None if there are none."""
    taken = inspect.signature(tokenizer.apply_chat_template).parameters
    for name, value in variables.items():
        if name in taken:
            raise PipelineError(
                f"{_STAGE}: chat_template_kwargs: {name!r} is an argument of transformers' apply_chat_template, not "
                "a variable of the template"
            )
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise PipelineError(
                f"{_STAGE}: chat_template_kwargs: {name!r} is {shown(value)}, not a plain JSON value: {error}"
            ) from error
    return json.dumps(variables) if variables else None

"""The apply_chat_template stage: conversations into tokens, with a mask of the assistant's tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from typing_extensions import override

from resumable_data.arguments import as_text, kind_of, shown
from resumable_data.arrays import Int64Array
from resumable_data.digest import digest
from resumable_data.errors import PipelineError, RecordError
from resumable_data.opaque import Document, Record, Tokenizer
from resumable_data.reading.documents import Documents, NameOf
from resumable_data.reading.fields import TOKENS
from resumable_data.reading.step import Step
from resumable_data.stages.chat_tokenizer import ChatTokenizer
from resumable_data.stages.conversation import Conversation, conversation_of, schemas_as_json
from resumable_data.stages.fast_tokenizer import CHARACTERS_AT_ONCE, parts
from resumable_data.stages.stage import check_token
from resumable_data.state import Settings

ASSISTANT_MASKS = "assistant_masks"
"""The field that is 1 for each token of the assistant. ``transformers`` uses the same name."""


@dataclass(frozen=True)
class ApplyChatTemplate(Step):
    """Renders conversations by a chat template and tokenizes them, hundreds in one call.

    Attributes:
        tokenizer: The tokenizer with its template.
        messages: The key of a record's messages.
        tools_field: The key of a record's own tools; None if it has none.
        tools: The tools of all conversations as JSON; None if there are none.
        masked: Whether documents have the field ``"assistant_masks"``.
        eod_id: The first input of every document, used by rows too; None if it is not known.
        at_once: The most characters of one call of the tokenizer. It does not change the tokens.
    """

    tokenizer: ChatTokenizer
    messages: str
    tools_field: str | None
    tools: str | None
    masked: bool
    eod_id: int | None
    at_once: int = CHARACTERS_AT_ONCE

    def __post_init__(self) -> None:
        if self.eod_id is not None:
            check_token(self.name, "eod_id", self.eod_id)

    @classmethod
    def of(
        cls,
        tokenizer: Tokenizer,
        *,
        messages: str,
        tools: object,
        chat_template: object,
        variables: object,
        masked: bool,
        eod_id: int | None,
    ) -> ApplyChatTemplate:
        """Returns the stage, after checks of what users give.

        Raises:
            PipelineError: The tokenizer, its template, the tools or a variable cannot be used.
        """
        if chat_template is not None and not isinstance(chat_template, str):
            raise PipelineError(
                f"apply_chat_template: chat_template must be a Jinja template (str), not {kind_of(chat_template)}"
            )
        if variables is not None and not isinstance(variables, Mapping):
            raise PipelineError(
                f"apply_chat_template: chat_template_kwargs={shown(variables)} must be a dictionary of "
                "variables of the template, such as {'enable_thinking': False}"
            )
        by_name = {
            as_text("apply_chat_template: the name in chat_template_kwargs", name): value
            for name, value in cast(Mapping[object, Any], variables or {}).items()
        }
        field = as_text("apply_chat_template: tools", tools) if isinstance(tools, str) else None
        listed = None if field is not None or tools is None else _of_all(tools)
        with_tools = (True,) if listed is not None else (False,) if field is None else (False, True)
        chats = ChatTokenizer(tokenizer, chat_template, by_name, masked, with_tools)
        return cls(chats, messages, field, listed, masked, chats.eos_id if eod_id is None else eod_id)

    @property
    @override
    def name(self) -> str:
        return "apply_chat_template"

    @property
    def appended(self) -> None:
        """None: the template alone closes a conversation."""
        return

    @property
    def vocab_size(self) -> int:
        """Number of ids from 0 on."""
        return max(self.tokenizer.vocab_size, 0 if self.eod_id is None else self.eod_id + 1)

    @override
    def settings(self) -> Settings:
        """Returns fingerprints of the tokenizer and the template, and the variables of the template."""
        return {
            "tokenizer": self.tokenizer.fingerprint,
            "chat_template": self.tokenizer.template,
            "chat_template_kwargs": self.tokenizer.variables,
            "messages": self.messages,
            "tools": self.tools_field if self.tools is None else digest("tools", self.tools),
            ASSISTANT_MASKS: self.masked,
        }

    @property
    @override
    def works_together(self) -> bool:
        return True

    @property
    @override
    def lengths_stay_known(self) -> bool:
        """False: only tokenizing shows them."""
        return False

    @override
    def apply(self, documents: Documents, indices: Int64Array, name: NameOf) -> Documents:
        """Returns the tokens of the conversations, with their masks.

        Raises:
            RecordError: A record has no conversation, or the template refuses it.
            PipelineError: The template asks for today's date.
        """
        # groups: conversations with their places, by their tools
        groups: dict[str | None, list[tuple[int, Conversation]]] = {}
        for place in np.flatnonzero(documents.kept).tolist():
            conversation = self._conversation(documents[place], place, name)
            groups.setdefault(conversation.tools, []).append((place, conversation))
        made: list[Document] = [None] * len(documents)
        for group in groups.values():
            for part in parts(group, _characters, self.at_once):
                for (place, _), document in zip(part, self._made(part, name), strict=True):
                    made[place] = document
        return replace(documents, content=made)

    def _conversation(self, record: Record, place: int, name: NameOf) -> Conversation:
        def called() -> str:
            return f"apply_chat_template: {name(place)}"

        found = conversation_of(record, self.messages, self.tools_field, called)
        return found if self.tools is None else found._replace(tools=self.tools)

    def _made(self, part: Sequence[tuple[int, Conversation]], name: NameOf) -> list[Document]:
        """Makes documents of conversations that have the same tools."""
        place, first = part[0]
        tools = None if first.tools is None else json.loads(first.tools)
        try:
            ids, masks = self.tokenizer.encode([conversation.messages for _, conversation in part], tools)
        except PipelineError:
            raise
        except Exception as error:
            if len(part) == 1:
                raise _refused(first, name(place), error) from error
            for one in part:
                self._made([one], name)
            raise
        tokens = [np.array(one, np.int32) for one in ids]
        if masks is None:
            return tokens
        return [
            {TOKENS: one, ASSISTANT_MASKS: np.array(mask, np.int32)} for one, mask in zip(tokens, masks, strict=True)
        ]


def _characters(placed: tuple[int, Conversation]) -> int:
    return sum(len(str(message)) for message in placed[1].messages)


def _refused(conversation: Conversation, name: str, error: Exception) -> RecordError:
    try:
        json.dumps(conversation.messages, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError as unreadable:
        error = unreadable  # of which tokenizers say that it is not a text
    roles = ", ".join(message["role"] for message in conversation.messages)
    return RecordError(
        f"apply_chat_template: {name}, of the roles {roles}, cannot be made tokens: {type(error).__name__}: {error}. "
        "Mend it in a map before, leave it out by a filter before or skip_bad_records(at_most=…) after, or pass a "
        "chat_template= that takes it"
    )


def _of_all(tools: object) -> str:
    """Returns the tools of all conversations as JSON."""
    try:
        found = schemas_as_json(tools)
    except (TypeError, ValueError) as error:
        raise PipelineError(
            f"apply_chat_template: tools {error}: transformers.utils.get_json_schema(function) makes one of a "
            "function. Or name the field in which records have their own, tools='tools'"
        ) from error
    if found == "[]":
        raise PipelineError("apply_chat_template: tools is an empty list: leave it out where there are none")
    return found

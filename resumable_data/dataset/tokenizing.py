"""Where tokens come from: ``tokenize``, ``apply_chat_template`` and ``append_eod``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeVar

from resumable_data.arguments import as_bool, as_integer, as_text, optional
from resumable_data.dataset.component_stages import ComponentStages
from resumable_data.errors import PipelineError
from resumable_data.opaque import Document, JsonObject, Tokenizer
from resumable_data.reading.fields import TOKENS
from resumable_data.stages.append_eod import AppendEod
from resumable_data.stages.append_eod_fields import AppendEodFields, appended_values
from resumable_data.stages.apply_chat_template import ApplyChatTemplate
from resumable_data.stages.supplied_eod import warn_of_two_tokens
from resumable_data.stages.tokenize import Tokenize
from resumable_data.stages.truncate import as_side

if TYPE_CHECKING:
    from resumable_data.dataset.documents import DocumentDataset

ElementT = TypeVar("ElementT")


class Tokenizing(ComponentStages[ElementT]):
    """The methods that make tokens of documents."""

    def append_eod(
        self, eod_id: int, *, fields: Mapping[str, float] | None = None, tokens: str | None = None
    ) -> DocumentDataset[ElementT]:
        """Appends an end-of-document token to every document, which its length counts.

        Args:
            eod_id: The token.
            fields: If documents are mappings, what is appended to each field that is aligned with the tokens:
                ``{"loss_mask": 1}`` if the token is to be learnt.
            tokens: If documents are mappings, the key of the tokens. ``"tokens"`` if only ``fields`` are given.

        Raises:
            PipelineError: The token does not fit int32.
        """
        eod_id = as_integer("append_eod: eod_id", eod_id)
        documents = self._component("append_eod")
        tokens = optional(as_text, "append_eod: tokens", tokens)
        values = appended_values(fields)
        warn_of_two_tokens(documents)
        if fields is None and tokens is None:
            return self._then(documents, AppendEod(eod_id))
        return self._then(documents, AppendEodFields(eod_id, TOKENS if tokens is None else tokens, values))

    def tokenize(
        self,
        tokenizer: Tokenizer,
        *,
        column: str | None = None,
        add_bos: bool = False,
        add_eos: bool = False,
        add_eod: bool = True,
        eod_id: int | None = None,
        bos_id: int | None = None,
        eos_id: int | None = None,
        max_length: int | None = None,
        truncate: Literal["left", "right"] = "right",
    ) -> DocumentDataset[Document]:
        """Makes tokens of text, when it is read: int32[n] a document.

        Hundreds of documents are tokenized in one call, in the threads of the tokenizer. Only what is asked for here
        is added or cut, whatever the tokenizer's own settings are. The tokenizer enters the pipeline's fingerprint by
        what decides its tokens, not by its name or path.

        Args:
            tokenizer: A fast tokenizer of ``transformers``, a ``tokenizers.Tokenizer``, the path of a
                ``tokenizer.json``, or a folder or name for ``AutoTokenizer.from_pretrained``. Or any object with
                ``encode_batch(texts)`` or ``encode(text)`` that gives ids, such as a ``SentencePieceProcessor``. If
                its content does not say which tokens it makes, give it an attribute ``fingerprint``, a text.
            column: The key of the text, if records are dictionaries. Text is ``str``, or bytes that are UTF-8.
            add_bos: Put the tokenizer's BOS token before every document.
            add_eos: Put its EOS token after every document, also after one that is truncated.
            add_eod: Append ``eod_id`` to every document, but not to one that is truncated, or that fills
                ``max_length`` without it. So the token says that the document was whole.
            eod_id: The end-of-document token, the tokenizer's EOS by default. ``pack`` and ``pad`` take it over.
            bos_id: The BOS token, if it is not the tokenizer's own: a ``tokenizer.json`` names none.
            eos_id: The EOS token, in the same way.
            max_length: Truncate a document that is longer, all added tokens counted. By default nothing is truncated
                here: ``pack`` splits or truncates what is longer than a row. ``progress().truncated`` of rows counts
                the tokens of the text that are cut here, together with those that ``pack`` cuts, at the row in which
                the document begins. A ``map`` in between does not change that count.
            truncate: Where a document longer than ``max_length`` is cut: ``"right"`` cuts its last tokens off,
                ``"left"`` its first. A document that is cut on the left keeps its end and ``eod_id``.

        Raises:
            PipelineError: The tokenizer cannot be used, or does not have a token that is asked for.

        >>> import resumable_data as rd
        >>> from tokenizers import Tokenizer, models, pre_tokenizers
        >>> words = Tokenizer(models.WordLevel({"?": 0, "one": 1, "two": 2}, unk_token="?"))
        >>> words.pre_tokenizer = pre_tokenizers.Whitespace()
        >>> documents = rd.Dataset.from_source(rd.InMemorySource(["one two", "", "two"])).tokenize(words, eod_id=9)
        >>> [tokens.tolist() for tokens in documents]
        [[1, 2, 9], [9], [2, 9]]
        >>> next(iter(documents.pack(6, strategy="first_fit").batch(1))).inputs.tolist()
        [[9, 1, 2, 9, 9, 2]]
        """
        documents = self._component("tokenize")
        step = Tokenize.of(
            tokenizer,
            optional(as_text, "tokenize: column", column),
            add_bos=as_bool("tokenize: add_bos", add_bos),
            add_eos=as_bool("tokenize: add_eos", add_eos),
            add_eod=as_bool("tokenize: add_eod", add_eod),
            eod_id=optional(as_integer, "tokenize: eod_id", eod_id),
            max_length=optional(as_integer, "tokenize: max_length", max_length),
            side=_side_of_tokenize(truncate),
            bos_id=optional(as_integer, "tokenize: bos_id", bos_id),
            eos_id=optional(as_integer, "tokenize: eos_id", eos_id),
        )
        return self._then(documents, step)

    def apply_chat_template(
        self,
        tokenizer: Tokenizer,
        *,
        messages: str = "messages",
        tools: str | Sequence[JsonObject] | None = None,
        chat_template: str | None = None,
        chat_template_kwargs: JsonObject | None = None,
        assistant_masks: bool = True,
        eod_id: int | None = None,
    ) -> DocumentDataset[Document]:
        """Makes tokens of conversations when they are read, with a mask of those that the assistant wrote.

        A record is a dictionary with a list of messages ``{"role": …, "content": …}``. It becomes
        ``{"tokens": int32[n], "assistant_masks": int32[n]}``: what ``apply_chat_template`` of ``transformers`` gives,
        with nothing added, truncated or padded. After ``pack(…, loss_mask="assistant_masks")`` a model learns only
        what the assistant wrote. Hundreds of conversations are tokenized in one call. Tokenizer and template enter
        the pipeline's fingerprint by their content.

        Args:
            tokenizer: A fast tokenizer of ``transformers``, or a folder or name for
                ``AutoTokenizer.from_pretrained``.
            messages: The field of the records that holds the messages.
            tools: The JSON schemas of the functions that the assistant can call, the same in all conversations. Or
                the name of a field in which a record may have its own.
            chat_template: A Jinja template, or the name of one of the tokenizer's, instead of the tokenizer's own.
            chat_template_kwargs: Further variables of the template, as ``{"enable_thinking": False}``.
            assistant_masks: Whether to make a mask. The template then needs ``{% generation %}`` and
                ``{% endgeneration %}`` around what the assistant writes. Without a mask documents are plain tokens.
            eod_id: The first input of every document, by default the tokenizer's EOS. ``pack`` and ``pad`` take it
                over. It is not appended to documents: that is the template's task.

        Raises:
            PipelineError: The tokenizer or its template cannot be used, or the template cannot say what the assistant
                wrote.

        >>> import resumable_data as rd
        >>> from tokenizers import Tokenizer, models, pre_tokenizers
        >>> from transformers import PreTrainedTokenizerFast
        >>> words = Tokenizer(models.WordLevel({"?": 0, "user": 1, "assistant": 2, "Hi": 3, "Ho": 4, ".": 5}, "?"))
        >>> words.pre_tokenizer = pre_tokenizers.Whitespace()
        >>> template = (
        ...     "{% for message in messages %}{{ message.role }} {% if message.role == 'assistant' %}"
        ...     "{% generation %}{{ message.content }}.{% endgeneration %}"
        ...     "{% else %}{{ message.content }}. {% endif %}{% endfor %}")
        >>> tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token=".", chat_template=template)
        >>> chat = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]
        >>> chats = rd.Dataset.from_source(rd.InMemorySource([{"messages": chat}])).apply_chat_template(tokenizer)
        >>> batch = next(iter(chats.pack(8, loss_mask="assistant_masks").batch(1)))
        >>> batch.targets.tolist(), batch.weights.tolist()
        ([[1, 3, 5, 2, 4, 5, 0, 0]], [[0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0]])
        """
        documents = self._component("apply_chat_template")
        step = ApplyChatTemplate.of(
            tokenizer,
            messages=as_text("apply_chat_template: messages", messages),
            tools=tools,
            chat_template=chat_template,
            variables=chat_template_kwargs,
            masked=as_bool("apply_chat_template: assistant_masks", assistant_masks),
            eod_id=optional(as_integer, "apply_chat_template: eod_id", eod_id),
        )
        return self._then(documents, step)


def _side_of_tokenize(truncate: object) -> str:
    side = as_side("tokenize: truncate", truncate)
    if side is None:
        raise PipelineError("tokenize: truncate says where what is longer than max_length= is cut; leave both out")
    return side

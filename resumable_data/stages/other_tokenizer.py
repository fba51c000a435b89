"""Wraps tokenizers of other packages: SentencePiece models, and objects that encode text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from resumable_data.arguments import kind_of, shown
from resumable_data.digest import content_digest, digest, module_name
from resumable_data.errors import PipelineError
from resumable_data.opaque import JsonDict, Tokenizer

_ANY_ID = 2**31


class OtherTokenizer:
    """An object with ``encode_batch(texts)``, or with ``encode(text)``, that returns the ids of texts.

    Tokens that it adds, such as BOS, stay; ``add_bos`` and ``add_eos`` add nothing twice. In the fingerprint it
    counts by its attribute ``fingerprint``, a text. Without one, a SentencePiece model counts by its content, and any
    other object by the content of its attributes.

    Args:
        tokenizer: The object. It must not change.

    Raises:
        PipelineError: It does not encode text, or its content cannot be seen.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.fingerprint = _fingerprint(tokenizer)
        self.vocab_size = _number(tokenizer, "get_piece_size", "vocab_size", "n_vocab") or _ANY_ID
        """Number of ids, if the object says so."""
        self.bos_id = _number(tokenizer, "bos_id", "bos_token_id")
        self.eos_id = _number(tokenizer, "eos_id", "eos_token_id")

    @staticmethod
    def takes(tokenizer: object) -> bool:
        """Returns whether an object encodes text, and is not from ``tokenizers`` or ``transformers``."""
        encodes = callable(getattr(tokenizer, "encode_batch", None)) or callable(getattr(tokenizer, "encode", None))
        known = hasattr(tokenizer, "is_fast") or type(tokenizer).__module__.partition(".")[0] == "tokenizers"
        return encodes and not known and not isinstance(tokenizer, type | str | bytes)

    def encode(self, texts: Sequence[str]) -> Iterator[list[list[int]]]:
        """Yields the ids of all texts.

        Raises:
            PipelineError: The object returns something else.
        """
        if hasattr(self._tokenizer, "encode_batch"):
            found: Any = self._tokenizer.encode_batch(list(texts))
        elif _is_sentencepiece(self._tokenizer):
            found = self._tokenizer.encode(list(texts), out_type=int)
        else:
            found = [self._tokenizer.encode(text) for text in texts]
        if len(found) != len(texts):
            raise PipelineError(
                f"tokenize: {type(self._tokenizer).__name__} gives the ids of {len(found)} texts for {len(texts)}"
            )
        yield list(map(self._ids, found))

    def _ids(self, given: Any) -> list[int]:
        try:
            return [int(token) for token in getattr(given, "ids", given)]
        except (TypeError, ValueError) as error:
            raise PipelineError(
                f"tokenize: {type(self._tokenizer).__name__} gives {shown(given)} for a text, not its ids"
            ) from error


def _is_sentencepiece(tokenizer: Tokenizer) -> bool:
    return hasattr(tokenizer, "serialized_model_proto")


def _number(tokenizer: Tokenizer, *names: str) -> int | None:
    """Returns the first natural number among these attributes or methods; None without one."""
    for name in names:
        value = getattr(tokenizer, name, None)
        value = value() if callable(value) else value
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
    return None


def _fingerprint(tokenizer: Tokenizer) -> str:
    kind: type[Any] = type(cast(object, tokenizer))
    name = f"{module_name(kind.__module__)}.{kind.__qualname__}"
    given = getattr(tokenizer, "fingerprint", None)
    given = given() if callable(given) else given
    if isinstance(given, str) and given:
        return digest("other-tokenizer", name, given)
    if _is_sentencepiece(tokenizer):
        return digest("sentencepiece", cast(bytes, tokenizer.serialized_model_proto()))

    def unseen(inner: object) -> str:
        raise PipelineError(
            f"tokenize: the content of {kind.__name__} (it holds {kind_of(inner)}) cannot be seen, to tell it from "
            "another tokenizer: give it an attribute fingerprint, a text that changes with what it does"
        )

    if not hasattr(tokenizer, "__dict__"):
        unseen(tokenizer)
    attributes = cast(JsonDict, vars(tokenizer))
    return digest("other-tokenizer", name, content_digest(attributes, unseen))

"""Wraps fast tokenizers of Hugging Face: text in, tokens out, nothing added or cut."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar, cast

from resumable_data.arguments import kind_of
from resumable_data.digest import Json, canonical_json, digest
from resumable_data.errors import PipelineError
from resumable_data.opaque import Tokenizer
from resumable_data.stages.load_tokenizer import load_tokenizer, text_package

CHARACTERS_AT_ONCE = 2**22
"""The most characters of one call. A tokenizer keeps about a hundred bytes a token until its result is read."""
_DECIDES_TOKENS = ("normalizer", "pre_tokenizer", "model", "added_tokens")

ItemT = TypeVar("ItemT")


class FastTokenizer:
    """A copy of a tokenizer's backend, without its truncation, padding and post-processor.

    Those would cut documents, or add tokens that nobody asked for. The backend tokenizes in its own threads, which
    obey ``TOKENIZERS_PARALLELISM``.

    Args:
        definition: The backend as JSON.
        splits_special: Whether the text of a special token is tokenized like any other.
        bos_id: The beginning-of-sequence token, or None.
        eos_id: The end-of-sequence token, or None.

    Raises:
        PipelineError: The tokenizer is random: it tokenizes one text in different ways.
    """

    def __init__(self, definition: str, splits_special: bool, bos_id: int | None, eos_id: int | None) -> None:
        backend = text_package("tokenizers").Tokenizer.from_str(definition)
        backend.no_truncation()
        backend.no_padding()
        backend.post_processor = None
        backend.encode_special_tokens = splits_special
        self._backend = backend
        self._splits_special = splits_special
        self.bos_id = bos_id
        self.eos_id = eos_id
        definition = backend.to_str()
        dropout = json.loads(definition)["model"].get("dropout")
        if dropout:
            raise PipelineError(
                f"tokenize: the tokenizer's model has dropout={dropout}, which gives other tokens at each call: set "
                "tokenizer.model.dropout = None"
            )
        self.vocab_size = 1 + max(backend.get_vocab(with_added_tokens=True).values(), default=-1)
        """The largest id of a token, plus 1."""
        self.fingerprint = digest("fast-tokenizer", canonical_definition(definition), str(splits_special))

    def __reduce__(self) -> tuple[object, ...]:
        return FastTokenizer, (self._backend.to_str(), self._splits_special, self.bos_id, self.eos_id)

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> FastTokenizer:
        """Copies a tokenizer, and does not change it.

        Args:
            tokenizer: A fast tokenizer of ``transformers``, a ``tokenizers.Tokenizer``, the path of a
                ``tokenizer.json``, or what ``AutoTokenizer.from_pretrained`` takes.

        Raises:
            PipelineError: It is none of these, cannot be loaded or copied, or its package is not installed.
        """
        if isinstance(tokenizer, str | os.PathLike):
            tokenizer = load_tokenizer(os.fspath(cast(str, tokenizer)))
        if isinstance(tokenizer, text_package("tokenizers").Tokenizer):
            return cls(_definition(tokenizer), tokenizer.encode_special_tokens, None, None)
        kind = type(tokenizer).__name__
        if not getattr(tokenizer, "is_fast", False):
            advice = "a fast tokenizer of transformers, a tokenizers.Tokenizer, the path of one, or a text encoder"
            if hasattr(tokenizer, "is_fast"):
                raise PipelineError(
                    f"tokenize takes {advice}; {kind} is a slow one, written in Python. Load its fast version "
                    "with AutoTokenizer.from_pretrained, or pass its call to map"
                )
            raise PipelineError(f"tokenize takes {advice}, not {kind_of(tokenizer)}")
        definition = _definition(tokenizer.backend_tokenizer)
        return cls(definition, tokenizer.split_special_tokens, tokenizer.bos_token_id, tokenizer.eos_token_id)

    def encode(self, texts: Sequence[str], at_once: int = CHARACTERS_AT_ONCE) -> Iterator[list[list[int]]]:
        """Yields the tokens of all texts, in parts of up to ``at_once`` characters."""
        for part in parts(texts, len, at_once):
            order = _balanced(part)
            encodings = self._backend.encode_batch_fast([part[place] for place in order], add_special_tokens=False)
            found: list[list[int]] = [[]] * len(part)
            for place, encoding in zip(order, encodings, strict=True):
                found[place] = encoding.ids
            yield found


def _balanced(texts: Sequence[str]) -> list[int]:
    """Returns the places of the texts in an order that balances the threads of the tokenizer.

    The tokenizer gives each thread a stretch of equally many texts, and a call takes as long as its slowest thread.
    """
    places = sorted(range(len(texts)), key=lambda place: -len(texts[place]))
    return places[::2] + places[1::2][::-1]


def parts(items: Sequence[ItemT], characters: Callable[[ItemT], int], at_once: int) -> Iterator[list[ItemT]]:
    """Yields texts in parts that are small enough for one call of a tokenizer.

    Args:
        items: The texts, or what they are made of.
        characters: Returns the number of characters of an item.
        at_once: The most characters of a part. An item with more is a part of its own.

    >>> list(parts(["aaaa", "b", "cccc", "dddddddd"], len, at_once=6))
    [['aaaa', 'b'], ['cccc'], ['dddddddd']]
    """
    part: list[ItemT] = []
    total = 0
    for item in items:
        size = characters(item)
        if part and total + size > at_once:
            yield part
            part, total = [], 0
        part.append(item)
        total += size
    if part:
        yield part


def _definition(backend: Tokenizer) -> str:
    try:
        return backend.to_str()
    except Exception as error:
        raise PipelineError(
            f"tokenize: the tokenizer cannot be copied: {error}. If parts of it are written in "
            "Python, call it in a map"
        ) from error


def canonical_definition(definition: str) -> str:
    """Returns the parts that decide the tokens of a text, in one form for all releases of ``tokenizers``.

    Some releases write merges as pairs, others as text. Some add settings that are null or false and change nothing.

    Args:
        definition: The result of ``tokenizers.Tokenizer.to_str``.

    >>> canonical_definition('{"model": {"merges": ["a b"], "dropout": null}, "truncation": null}')
    '{"model":{"merges":[["a","b"]]}}'
    """
    parts = cast(dict[str, Json], json.loads(definition))
    return canonical_json({name: _without_defaults(parts[name]) for name in _DECIDES_TOKENS if parts.get(name)})


def _without_defaults(value: Json) -> Json:
    if isinstance(value, dict):
        kept = {name: _without_defaults(member) for name, member in value.items()}
        merges = kept.get("merges")
        if isinstance(merges, list):
            kept["merges"] = [merge.split(" ") if isinstance(merge, str) else merge for merge in merges]
        return {name: member for name, member in kept.items() if member is not None and member is not False}
    return [_without_defaults(member) for member in value] if isinstance(value, list) else value

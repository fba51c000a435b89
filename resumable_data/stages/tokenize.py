"""The tokenize stage: text into tokens, when it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, cast

import numpy as np
from typing_extensions import override

from resumable_data.arguments import kind_of
from resumable_data.arrays import Int64Array, Ragged, offsets_of
from resumable_data.errors import PipelineError, RecordError
from resumable_data.opaque import Document, JsonObject, Tokenizer
from resumable_data.reading.documents import Documents, NameOf
from resumable_data.reading.step import Step
from resumable_data.stages.fast_tokenizer import FastTokenizer
from resumable_data.stages.other_tokenizer import OtherTokenizer
from resumable_data.stages.stage import check_token
from resumable_data.stages.truncate import LEFT, RIGHT
from resumable_data.state import Settings
from resumable_data.timing import Work


@dataclass(frozen=True)
class Tokenize(Step):
    """Tokenizes text, hundreds of documents in one call.

    Attributes:
        tokenizer: The tokenizer.
        column: The key of the text in records that are mappings; None if records are the text.
        bos_id: The token before every document, or None.
        eos_id: The token after every document, cut or not, or None.
        eod_id: The end-of-document token, or None if it is not known.
        add_eod: Whether to append it to documents that stay within ``max_length``.
        max_length: At most so many tokens a document, or None for no limit.
        side: Where a longer document is cut: ``"left"`` drops its first tokens, ``"right"`` its last.
    """

    tokenizer: FastTokenizer | OtherTokenizer
    column: str | None
    bos_id: int | None
    eos_id: int | None
    eod_id: int | None
    add_eod: bool
    max_length: int | None
    side: str = RIGHT

    def __post_init__(self) -> None:
        for token_name in ("bos_id", "eos_id", "eod_id"):
            token = getattr(self, token_name)
            if token is not None:
                check_token(self.name, token_name, token)
        if self._room is not None and self._room < 1:
            raise PipelineError(f"tokenize: max_length={self.max_length} leaves no room for a token of the text")

    @classmethod
    def of(
        cls,
        tokenizer: Tokenizer,
        column: str | None,
        *,
        add_bos: bool,
        add_eos: bool,
        add_eod: bool,
        eod_id: int | None,
        max_length: int | None,
        side: str = RIGHT,
        bos_id: int | None = None,
        eos_id: int | None = None,
    ) -> Tokenize:
        """Returns the stage of a tokenizer. Special tokens that are not given come from the tokenizer.

        Raises:
            PipelineError: The tokenizer cannot be used, or lacks a token that is asked for.
        """
        backend = OtherTokenizer(tokenizer) if OtherTokenizer.takes(tokenizer) else FastTokenizer.of(tokenizer)
        bos_id = backend.bos_id if bos_id is None else bos_id
        eos_id = backend.eos_id if eos_id is None else eos_id
        if eod_id is None:
            eod_id = eos_id
        for asked, token, what, instead in (
            (add_bos, bos_id, "BOS", "bos_id=…, or add_bos=False"),
            (add_eos, eos_id, "EOS", "eos_id=…, or add_eos=False"),
            (add_eod, eod_id, "EOS", "eod_id=…, the end-of-document token, or add_eod=False"),
        ):
            if asked and token is None:
                raise PipelineError(
                    f"tokenize: the tokenizer names no {what} token: pass {instead}. A tokenizers.Tokenizer or a "
                    "tokenizer.json never names one; transformers.PreTrainedTokenizerFast(tokenizer_object=…, "
                    "bos_token=…, eos_token=…) does"
                )
        bos_id, eos_id = bos_id if add_bos else None, eos_id if add_eos else None
        return cls(backend, column, bos_id, eos_id, eod_id, add_eod, max_length, side)

    @property
    @override
    def name(self) -> str:
        return "tokenize"

    @property
    def appended(self) -> int | None:
        """The token appended to documents that are not cut, or None."""
        return self.eod_id if self.add_eod else None

    @property
    @override
    def work(self) -> Work:
        return Work.TOKENIZING

    @override
    def settings(self) -> Settings:
        """Returns the fingerprint of the tokenizer, the column, and what is added and cut."""
        return {
            "tokenizer": self.tokenizer.fingerprint,
            "column": self.column,
            "bos_id": self.bos_id,
            "eos_id": self.eos_id,
            "eod_id": self.appended,
            "max_length": self.max_length,
            "truncate": LEFT if self.side == LEFT else None,
        }

    @property
    @override
    def works_together(self) -> bool:
        return True

    @property
    def vocab_size(self) -> int:
        """Number of ids from 0 on, including the tokens added here."""
        added = (self.bos_id, self.eos_id, self.eod_id)
        return max(self.tokenizer.vocab_size, *(token + 1 for token in added if token is not None), 1)

    @property
    @override
    def lengths_stay_known(self) -> bool:
        """False: only tokenizing shows them."""
        return False

    @override
    def apply(self, documents: Documents, indices: Int64Array, name: NameOf) -> Documents:
        """Tokenizes the documents in one call.

        Raises:
            RecordError: A record has no text, or text that is not Unicode.
        """
        kept = documents.kept
        places = np.flatnonzero(kept).tolist()
        texts = [self._text(documents[place], place, name) for place in places]
        lengths, cut = np.zeros(len(documents), np.int64), np.zeros(len(documents), np.int64)
        whole, lengths[kept], values = self._tokenized(texts, lambda number: name(places[number]))
        if self._room is not None:
            cut[kept] = np.maximum(whole - self._room, 0)
            documents = documents.truncate(cut)
        return replace(documents, content=Ragged(values, offsets_of(lengths)[:-1], lengths))

    def _tokenized(self, texts: list[str], name: NameOf) -> tuple[Int64Array, Int64Array, Any]:
        """Returns the lengths of the texts, the lengths of their documents, and the tokens, concatenated."""
        whole, lengths, values = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0, np.int32)]
        try:
            for part in self.tokenizer.encode(texts):
                whole.append(np.fromiter(map(len, part), np.int64, len(part)))
                documents = [self._closed(ids) for ids in part]
                lengths.append(np.fromiter(map(len, documents), np.int64, len(documents)))
                values.append(np.fromiter(chain.from_iterable(documents), np.int32, int(lengths[-1].sum())))
        except Exception:
            for number, text in enumerate(texts):
                try:
                    text.encode()
                except UnicodeEncodeError as error:
                    raise RecordError(f"tokenize: {name(number)} is not Unicode text: {error}") from error
            raise
        return np.concatenate(whole), np.concatenate(lengths), np.concatenate(values)

    @property
    def _room(self) -> int | None:
        """Limit on the tokens of a document's text."""
        if self.max_length is None:
            return None
        # A document that is cut on the left keeps its end, and so it is closed.
        closes = self.add_eod and self.side == LEFT and self.eos_id != self.eod_id
        return self.max_length - (self.bos_id is not None) - (self.eos_id is not None) - closes

    def _closed(self, ids: list[int]) -> list[int]:
        """Makes a document of the tokens of its text. May change the list."""
        room = self._room
        if room is not None and len(ids) > room:
            del ids[slice(room, None) if self.side == RIGHT else slice(len(ids) - room)]
        # A chat template, or an export, may have opened and closed the text already.
        if self.bos_id is not None and ids[:1] != [self.bos_id]:
            ids.insert(0, self.bos_id)
        if self.eos_id is not None and ids[-1:] != [self.eos_id]:
            ids.append(self.eos_id)
        whole = self.max_length is None or len(ids) < self.max_length
        if self.add_eod and whole and ids[-1:] != [self.eod_id]:
            ids.append(cast(int, self.eod_id))
        return ids

    def _text(self, document: Document, place: int, name: NameOf) -> str:
        if self.column is not None:
            document = self._column(document, place, name)
        elif isinstance(document, Mapping):
            columns = ", ".join(map(repr, cast(JsonObject, document)))
            raise RecordError(f"tokenize: {name(place)} has the columns {columns}: pass column=, one of them")
        if isinstance(document, str):
            return document
        if not isinstance(document, bytes | bytearray):
            where = "" if self.column is None else f", column {self.column!r},"
            raise RecordError(
                f"tokenize: {name(place)}{where} is {kind_of(document)}, neither text (str) nor UTF-8 (bytes)"
            )
        try:
            return str(document, "utf-8")
        except UnicodeDecodeError as error:
            raise RecordError(
                f"tokenize: {name(place)} is not UTF-8 text: {error.reason} {error.object[error.start]:#04x} "
                f"at byte {error.start} of {len(error.object)}. Repair it, or decode it in a map before tokenize"
            ) from error

    def _column(self, document: Document, place: int, name: NameOf) -> Document:
        if not isinstance(document, Mapping):
            raise RecordError(
                f"tokenize: {name(place)} is {kind_of(document)}, which has no column "
                f"{self.column!r}: leave column= out where records are the text themselves"
            )
        columns = cast(JsonObject, document)
        if self.column not in columns:
            found = ", ".join(map(repr, columns))
            raise RecordError(f"tokenize: {name(place)} has no column {self.column!r}, only {found}")
        return columns[cast(str, self.column)]

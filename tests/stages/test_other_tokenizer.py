from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import resumable_data as rd
from resumable_data.stages.other_tokenizer import OtherTokenizer

TEXTS = ["one two", "", "two two three", "four"]


class Words:
    """Encodes texts one by one, as many packages do."""

    vocab_size = 9

    def __init__(self, *words: str) -> None:
        self.words = {word: number for number, word in enumerate(words, 1)}

    def encode(self, text: str) -> Any:
        return np.array([self.words.get(word, 0) for word in text.split()], np.int64)


class Batched(Words):
    """Encodes many at once, and names its tokens."""

    eos_token_id = 7

    def bos_id(self) -> int:
        return 6

    def encode_batch(self, texts: Sequence[str]) -> Any:
        return [self.encode(text).tolist() for text in texts]


def tokens(tokenizer: Any, **settings: Any) -> list[list[int]]:
    documents = rd.Dataset.from_source(rd.InMemorySource(TEXTS)).tokenize(tokenizer, **settings)
    return [document.tolist() for document in documents]


def test_anything_that_encodes_text_tokenizes() -> None:
    expected = [[1, 2], [], [2, 2, 3], [0]]
    assert tokens(Words("one", "two", "three"), add_eod=False) == expected
    assert tokens(Batched("one", "two", "three"), add_bos=True) == [[6, *ids, 7] for ids in expected]
    assert tokens(Words("one", "two", "three"), eod_id=8, max_length=2) == [[1, 2], [8], [2, 2], [0, 8]]


def test_it_counts_by_its_content() -> None:
    assert OtherTokenizer(Words("a", "b")).fingerprint == OtherTokenizer(Words("a", "b")).fingerprint
    assert OtherTokenizer(Words("a", "b")).fingerprint != OtherTokenizer(Words("b", "a")).fingerprint
    assert OtherTokenizer(Words("a")).fingerprint != OtherTokenizer(Batched("a")).fingerprint

    unseen = Words("a")
    unseen.core = object()  # type: ignore[attr-defined]
    with pytest.raises(rd.PipelineError, match=r"content of Words .* cannot be seen.*an attribute fingerprint"):
        OtherTokenizer(unseen)
    unseen.fingerprint = "words of 2026"  # type: ignore[attr-defined]
    assert OtherTokenizer(unseen).fingerprint == OtherTokenizer(unseen).fingerprint


def test_a_state_belongs_to_the_tokenizer_and_resumes_exactly() -> None:
    def batches(*words: str) -> rd.Dataset[rd.LLMBatch]:
        documents = rd.Dataset.from_source(rd.InMemorySource(TEXTS)).shuffle(3).repeat()
        return documents.tokenize(Words(*words), eod_id=8).pack(6, window=3).batch(2)

    iterator = iter(batches("one", "two"))
    for _ in range(3):
        next(iterator)
    state = json.loads(json.dumps(iterator.get_state()))
    resumed = iter(batches("one", "two"))
    resumed.set_state(state)
    for _ in range(5):
        assert next(resumed).targets.tobytes() == next(iterator).targets.tobytes()
    with pytest.raises(rd.PipelineMismatchError, match=r"tokenize\.tokenizer was"):
        iter(batches("two", "one")).set_state(state)


def test_ids_beyond_its_vocabulary_are_bad() -> None:
    with pytest.raises(rd.RecordError, match="10"):
        next(
            iter(
                rd.Dataset.from_source(rd.InMemorySource(TEXTS))
                .tokenize(Words(*"abcdefghi", "four"), eod_id=8)
                .pad(4)
            )
        )


def test_what_it_gives_has_to_be_ids() -> None:
    class Wrong(Words):
        given: Any = "text"

        def encode(self, text: str) -> Any:
            return self.given

    class Few(Words):
        def encode_batch(self, texts: Sequence[str]) -> Any:
            return []

    with pytest.raises(rd.PipelineError, match="Wrong gives 'text' for a text, not its ids"):
        tokens(Wrong(), add_eod=False)
    with pytest.raises(rd.PipelineError, match=r"Few gives the ids of 0 texts for \d"):
        tokens(Few(), add_eod=False)


def test_a_sentencepiece_model_counts_by_its_content(tmp_path: Any) -> None:
    package = pytest.importorskip("sentencepiece", reason="sentencepiece is not installed")
    (tmp_path / "text").write_text("\n".join(["one two three four five six"] * 20))
    prefix = str(tmp_path / "model")
    package.SentencePieceTrainer.train(
        input=str(tmp_path / "text"), model_prefix=prefix, vocab_size=30, hard_vocab_limit=False, minloglevel=2
    )
    model = package.SentencePieceProcessor(model_file=f"{prefix}.model")
    assert tokens(model, add_bos=True, add_eod=True) == [
        [model.bos_id(), *model.encode(text), model.eos_id()] for text in TEXTS
    ]
    again = package.SentencePieceProcessor(model_file=f"{prefix}.model")
    assert OtherTokenizer(model).fingerprint == OtherTokenizer(again).fingerprint
    assert OtherTokenizer(model).vocab_size == model.get_piece_size()

"""Misuses of the stages on documents: wrong arguments, functions that do not do what they are for, text."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

import resumable_data as rd
from property_tests.testing.chats import CHAT, chat_tokenizer

# Untyped, as in a notebook.
DOCUMENTS: Any = rd.Dataset.from_source(rd.InMemorySource([[1, 2, 3], [4, 5]]))
TEXT: Any = rd.Dataset.from_source(rd.InMemorySource(["one two", "two"]))
RECORDS: Any = rd.Dataset.from_source(rd.InMemorySource([{"text": "one", "n": 1}]))
CHATS: Any = rd.Dataset.from_source(rd.InMemorySource([{"messages": CHAT}]))
MASKED: Any = rd.Dataset.from_source(rd.InMemorySource([{"tokens": [1, 2], "loss_mask": [0, 1]}]))
WORDS = Tokenizer(models.WordLevel({"?": 0, "one": 1, "two": 2}, unk_token="?"))
WORDS.pre_tokenizer = pre_tokenizers.Whitespace()


def returns_nothing(document: Any) -> None:
    document[0]


def fails(document: Any) -> Any:
    return document["text"]


def shorter(document: Any) -> Any:
    return document[1:]


def first(document: Any) -> Any:
    return document[0]


def maybe(document: Any) -> Any:
    return "yes"


def longer(lengths: Any) -> Any:
    return bool(lengths.max() > 2)


def packed(data: Any) -> object:
    return next(iter(data.pack(8, eod_id=0).batch(1)))


MISUSES: dict[str, tuple[Callable[[], object], str, str]] = {
    "shuffle with a float": (lambda: DOCUMENTS.shuffle(1.5), "shuffle: seed=1.5", "must be an integer, not a float"),
    "shuffle with None": (lambda: DOCUMENTS.shuffle(None), "shuffle: seed=None", "must be an integer"),
    "shuffle with True": (lambda: DOCUMENTS.shuffle(True), "shuffle: seed=True", "must be an integer, not a bool"),
    "shuffle with a text": (lambda: DOCUMENTS.shuffle("7"), "shuffle: seed='7'", "must be an integer, not a str"),
    "shuffle of no block": (lambda: DOCUMENTS.shuffle(1, block=0), "block=0", "at least 1"),
    "shuffle of a float block": (lambda: DOCUMENTS.shuffle(1, block=2.0), "shuffle: block=2.0", "must be an integer"),
    "shuffle twice": (lambda: DOCUMENTS.shuffle(1).shuffle(2), "shuffled already", "shuffle"),
    "shuffle after repeat": (lambda: DOCUMENTS.repeat().shuffle(1), "shuffle goes before repeat", "every epoch anew"),
    "repeat no times": (lambda: DOCUMENTS.repeat(0), "repeat: 0 epochs", "at least 1, or nothing"),
    "repeat less": (lambda: DOCUMENTS.repeat(-1), "repeat: -1 epochs", "nothing to repeat forever"),
    "repeat True": (lambda: DOCUMENTS.repeat(True), "repeat: epochs=True", "must be an integer, not a bool"),
    "repeat a text": (lambda: DOCUMENTS.repeat("forever"), "repeat: epochs='forever'", "must be an integer"),
    "repeat twice": (lambda: DOCUMENTS.repeat().repeat(2), "repeat already", "repeat"),
    "map nothing": (lambda: DOCUMENTS.map(None), "map: None", "neither a function nor a grain.transforms.Map"),
    "map a name": (lambda: DOCUMENTS.map("lower"), "map: 'lower' (a str)", "neither a function"),
    "map a lambda": (lambda: DOCUMENTS.map(lambda d: d), "a lambda has no lasting name", "pass name='…'"),
    "map a partial": (lambda: DOCUMENTS.map(functools.partial(first)), "has no lasting name", "pass name='…'"),
    "map by a number": (lambda: DOCUMENTS.map(first, name=1), "map: name=1", "must be a name (str)"),
    "map of a number": (lambda: DOCUMENTS.map(first, version=2), "map: version=2", "must be a name (str)"),
    "map with a seed": (lambda: DOCUMENTS.map(first, seed=1), "map: seed=", "random_map(function, seed=…)"),
    "map promises 1": (lambda: DOCUMENTS.map(first, preserves_length=1), "preserves_length=1", "True or False"),
    "a map without a result": (
        lambda: packed(DOCUMENTS.map(returns_nothing)),
        "returns_nothing returns None for",
        "to leave one out, use filter",
    ),
    "a map that fails": (lambda: packed(DOCUMENTS.map(fails)), "fails fails on", "TypeError"),
    "a map that makes numbers": (lambda: packed(DOCUMENTS.map(first)), "is 1: it has shape ()", "one-dimensional"),
    "a map that breaks its promise": (
        lambda: packed(DOCUMENTS.map(shorter, preserves_length=True)),
        "shorter makes 2 tokens of the 3",
        "preserves_length=True",
    ),
    "a map without a length that promises it": (
        lambda: packed(DOCUMENTS.map(first, preserves_length=True)),
        "first makes 1 of",
        "has no length",
    ),
    "random_map nothing": (lambda: DOCUMENTS.random_map(5, seed=1), "random_map: 5 (an int)", "neither a function"),
    "random_map with a text": (lambda: DOCUMENTS.random_map(first, seed="1"), "seed='1'", "must be an integer"),
    "filter by nothing": (lambda: DOCUMENTS.filter(), "takes one of predicate", "on_lengths="),
    "filter by a list": (lambda: DOCUMENTS.filter([True, False]), "(a list)", "neither a function"),
    "filter by both": (lambda: DOCUMENTS.filter(first, on_lengths=longer), "takes one of", "on_lengths="),
    "filter by a lambda": (lambda: DOCUMENTS.filter(lambda d: True), "a lambda has no lasting name", "name='…'"),
    "filter by a key alone": (
        lambda: DOCUMENTS.filter(first, tokens="t"),
        "tokens= goes with on_lengths=",
        "predicate",
    ),
    "filter by a text": (lambda: packed(DOCUMENTS.filter(maybe)), "maybe gives 'yes'", "returns True to keep"),
    "filter by one bool": (
        lambda: packed(DOCUMENTS.filter(on_lengths=longer)),
        "gives True",
        "True for each document to keep",
    ),
    "filter by a number as key": (
        lambda: DOCUMENTS.filter(on_lengths=longer, tokens=3),
        "filter: tokens=3",
        "must be a name (str)",
    ),
    "skip no record": (lambda: DOCUMENTS.skip_bad_records(0), "at_most=0", "at least 1"),
    "skip True": (lambda: DOCUMENTS.skip_bad_records(True), "at_most=True", "must be an integer"),
    "skip None": (lambda: DOCUMENTS.skip_bad_records(None), "at_most=None", "must be an integer"),
    "end with None": (lambda: DOCUMENTS.append_eod(None), "append_eod: eod_id=None", "must be an integer"),
    "end with a text": (lambda: DOCUMENTS.append_eod("</s>"), "append_eod: eod_id='</s>'", "must be an integer"),
    "end with a negative": (lambda: DOCUMENTS.append_eod(-1), "eod_id=-1", "not a token that int32 can hold"),
    "end with a large one": (lambda: DOCUMENTS.append_eod(2**31), "eod_id=2147483648", "int32"),
    "end with fields in a list": (
        lambda: DOCUMENTS.append_eod(1, fields=["loss_mask"]),
        "fields=['loss_mask']",
        "as {'loss_mask': 1}",
    ),
    "end with a text in a field": (
        lambda: DOCUMENTS.append_eod(1, fields={"loss_mask": "1"}),
        "'loss_mask': '1'",
        "must be a number",
    ),
    "end with a number as key": (lambda: DOCUMENTS.append_eod(1, tokens=0), "tokens=0", "must be a name (str)"),
    "end with the tokens as field": (
        lambda: DOCUMENTS.append_eod(1, fields={"tokens": 1}),
        "'tokens' are the tokens",
        "leave them out of fields",
    ),
    "text in rows": (lambda: packed(TEXT), "is text (str), not an array of tokens", "put tokenize(tokenizer) before"),
    "text that is closed": (lambda: packed(TEXT.append_eod(1)), "is text (str)", "put tokenize(tokenizer) before"),
    "bytes in rows": (
        lambda: packed(rd.Dataset.from_source(rd.InMemorySource([b"one"]))),
        "is text (bytes)",
        "put tokenize(tokenizer) before",
    ),
    "dictionaries in rows": (
        lambda: packed(MASKED),
        "mapping with the keys 'tokens', 'loss_mask'",
        "tokens='input_ids'",
    ),
    "floats in rows": (
        lambda: packed(rd.Dataset.from_source(rd.InMemorySource([[0.5]]))),
        "holds float64",
        "tokens are integers",
    ),
    "negative ids in rows": (
        lambda: packed(rd.Dataset.from_source(rd.InMemorySource([[-100, 5]]))),
        "holds the id -100",
        "'loss_mask'",
    ),
    "matrices in rows": (
        lambda: packed(rd.Dataset.from_source(rd.InMemorySource([np.ones((2, 2), np.int32)]))),
        "has shape (2, 2)",
        "one-dimensional array of tokens",
    ),
    "tokenize with nothing": (lambda: TEXT.tokenize(None), "not None", "the path of one"),
    "tokenize with a number": (lambda: TEXT.tokenize(5), "not an int", "a fast tokenizer of transformers"),
    "tokenize with a missing folder": (lambda: TEXT.tokenize("./missing"), "no such file or folder", "'./missing'"),
    "tokenize with a missing file": (lambda: TEXT.tokenize("/no/tokenizer.json"), "no such file", "tokenizer.json"),
    "tokenize with a misspelt name": (
        lambda: TEXT.tokenize("tokk"),
        "no such file or folder: 'tokk'",
        "Hugging Face Hub",
    ),
    "tokenize with an impossible name": (lambda: TEXT.tokenize("my tokens"), "no such file", "Hugging Face Hub"),
    "tokenize with no name": (lambda: TEXT.tokenize(""), "no such file or folder", "''"),
    "tokenize without an end": (lambda: TEXT.tokenize(WORDS), "names no EOS token", "add_eod=False"),
    "tokenize with a text as end": (lambda: TEXT.tokenize(WORDS, eod_id="?"), "tokenize: eod_id='?'", "an integer"),
    "tokenize adds 1": (lambda: TEXT.tokenize(WORDS, eod_id=2, add_bos=1), "add_bos=1", "True or False"),
    "tokenize without a start": (lambda: TEXT.tokenize(WORDS, eod_id=2, add_bos=True), "names no BOS", "bos_id=…"),
    "tokenize cut to nothing": (lambda: TEXT.tokenize(WORDS, eod_id=2, max_length=0), "max_length=0", "no room"),
    "tokenize cut to a float": (lambda: TEXT.tokenize(WORDS, eod_id=2, max_length=8.0), "max_length=8.0", "integer"),
    "tokenize cut somewhere": (lambda: TEXT.tokenize(WORDS, eod_id=2, truncate="end"), "truncate='end'", "'left'"),
    "tokenize a column by number": (lambda: TEXT.tokenize(WORDS, eod_id=2, column=0), "column=0", "a name (str)"),
    "tokenize a column of text": (
        lambda: packed(TEXT.tokenize(WORDS, eod_id=2, column="text")),
        "has no column 'text'",
        "leave column= out",
    ),
    "tokenize a record": (
        lambda: packed(RECORDS.tokenize(WORDS, eod_id=2)),
        "has the columns 'text', 'n'",
        "column=",
    ),
    "tokenize another column": (
        lambda: packed(RECORDS.tokenize(WORDS, eod_id=2, column="txt")),
        "has no column 'txt'",
        "only 'text', 'n'",
    ),
    "tokenize a number": (
        lambda: packed(RECORDS.tokenize(WORDS, eod_id=2, column="n")),
        "is an int",
        "neither text (str) nor UTF-8",
    ),
    "tokenize tokens": (lambda: packed(DOCUMENTS.tokenize(WORDS, eod_id=2)), "is a list", "neither text (str)"),
    "tokens beyond the tokenizer": (
        lambda: packed(DOCUMENTS.map(list).tokenize(WORDS, eod_id=2)),
        "is a list",
        "neither text (str)",
    ),
    "map rows": (lambda: DOCUMENTS.pack(8, eod_id=0).map(first), "map works on documents", "before pack and batch"),
    "chats with words": (lambda: CHATS.apply_chat_template(WORDS), "has no chat template", "save_pretrained"),
    "chats with nothing": (lambda: CHATS.apply_chat_template(None), "not None", "a fast tokenizer of transformers"),
    "chats in a missing folder": (lambda: CHATS.apply_chat_template("./missing"), "no such file", "'./missing'"),
    "chats in another field": (
        lambda: packed(CHATS.apply_chat_template(chat_tokenizer(), messages="chat")),
        "has no field 'chat', only 'messages'",
        "pass messages=",
    ),
    "chats of text": (
        lambda: packed(TEXT.apply_chat_template(chat_tokenizer())),
        "is a str, not a dictionary with 'messages'",
        "in a map",
    ),
    "chats with a file as template": (
        lambda: CHATS.apply_chat_template(chat_tokenizer(), chat_template="chat.jinja"),
        "chat_template='chat.jinja' is not a Jinja template",
        "read_text()",
    ),
    "chats whose template marks nothing": (
        lambda: CHATS.apply_chat_template(chat_tokenizer(), chat_template="{{ messages }}"),
        "has no {% generation %}",
        "assistant_masks=False",
    ),
    "chats without their mask": (
        lambda: packed(CHATS.apply_chat_template(chat_tokenizer())),
        "'tokens', 'assistant_masks'",
        "loss_mask='assistant_masks'",
    ),
    "chats of rows": (
        lambda: DOCUMENTS.pack(8, eod_id=0).apply_chat_template(chat_tokenizer()),
        "apply_chat_template works on documents",
        "comes before pack",
    ),
    "tokenize rows": (
        lambda: DOCUMENTS.pack(8, eod_id=0).tokenize(WORDS),
        "tokenize works on documents",
        "before pack",
    ),
}


@pytest.mark.parametrize("misuse", MISUSES)
def test_a_misuse_of_documents_is_refused(misuse: str, refused: Any) -> None:
    refused(*MISUSES[misuse])


WARNED: dict[str, tuple[Callable[[], object], str]] = {
    "tokenize and append_eod": (
        lambda: TEXT.tokenize(WORDS, eod_id=2).append_eod(2),
        r"tokenize puts the token 2 after every document already.*add_eod=False",
    ),
    "append_eod twice": (lambda: DOCUMENTS.append_eod(1).append_eod(1), r"append_eod puts the token 1 .* already"),
    "append_eod twice around a filter": (
        lambda: DOCUMENTS.append_eod(1).filter(first).append_eod(2),
        r"append_eod puts the token 1 .* already",
    ),
    "the end is the padding": (
        lambda: DOCUMENTS.append_eod(0).pack(8),
        r"pack: pad_id=0 is also the end-of-document token.*another pad_id=",
    ),
    "the end of a text is the padding": (
        lambda: TEXT.tokenize(WORDS, eod_id=2).pad(8, pad_id=2),
        r"pad: pad_id=2 is also the end-of-document token.*batch\.weights",
    ),
    "the end of a component is the padding": (
        lambda: rd.mix({"a": DOCUMENTS.append_eod(0), "b": DOCUMENTS.append_eod(1)}).pack(8, eod_id=1),
        r"pack: pad_id=0 is also the end-of-document token",
    ),
}


@pytest.mark.parametrize("misuse", WARNED)
def test_what_may_be_meant_is_warned_of(misuse: str) -> None:
    call, words = WARNED[misuse]

    with pytest.warns(UserWarning, match=words) as caught:
        call()
    assert [warning.filename for warning in caught] == [__file__]


FINE: dict[str, Callable[[], object]] = {
    "append_eod after a tokenizer that adds none": lambda: TEXT.tokenize(WORDS, add_eod=False, eod_id=2).append_eod(
        2
    ),
    "append_eod after a map": lambda: DOCUMENTS.append_eod(1).map(shorter).append_eod(1),
    "an end that is not padding": lambda: DOCUMENTS.append_eod(1).pack(8),
    "a first input that is the padding": lambda: DOCUMENTS.pack(8, eod_id=0),
}


@pytest.mark.parametrize("use", FINE)
@pytest.mark.filterwarnings("error")
def test_what_is_meant_is_not_warned_of(use: str) -> None:
    FINE[use]()

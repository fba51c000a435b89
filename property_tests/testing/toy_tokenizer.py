"""A small byte-level BPE tokenizer, trained when a test needs it."""

from __future__ import annotations

from functools import cache
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

BOS, EOS = "<bos>", "<eos>"
BOS_ID, EOS_ID = 0, 1
TEXT = (
    "A pipeline is split in four: plan, read, assemble, place. Everything before the tokens is index arithmetic.",
    "The order of a pipeline is the same on every host, and a state is a position in it.",
    "Größe, façade, naïve, 数据, данные, δεδομένα: letters that take several bytes each.",
)


def trained() -> Any:
    """Trains a new ``tokenizers.Tokenizer`` with 400 tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=[BOS, EOS], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    return tokenizer


def with_names(backend: Any = None, **settings: Any) -> Any:
    """Makes a fast tokenizer of ``transformers`` that names its BOS and EOS tokens."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=backend or trained(), bos_token=BOS, eos_token=EOS, **settings)


@cache
def shared() -> Any:
    """Returns one tokenizer for all tests that do not change it."""
    return with_names()


def closed(tokens: list[int], *, add_bos: bool) -> list[int]:
    """Makes the tokens of a document from those of a text, with one begin and one end token."""
    opened = [BOS_ID, *tokens] if add_bos and tokens[:1] != [BOS_ID] else tokens
    return opened if opened[-1:] == [EOS_ID] else [*opened, EOS_ID]


def alone(text: str) -> list[int]:
    """Returns the tokens of one text, by the public call of ``transformers``."""
    return shared()(text, add_special_tokens=False)["input_ids"]

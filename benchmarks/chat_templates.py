"""Makes tokens of conversations, with an assistant mask: this library beside transformers in a plain loop, in turns.

The job: an epoch of conversations in memory. Their turns are the sources of Python's standard library, cut into
documents. A byte-level BPE tokenizer is trained on this text. A template in the form of ChatML marks the assistant's
text. Contenders:

- transformers: ``apply_chat_template`` of one conversation after the other, and of 256 in a call.
- This library: the documents of ``apply_chat_template``, and whole batches of rows of 2,048 tokens, with and without
  ``prefetch``.

Prints a table of conversations a second, and a JSON line for each figure.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from statistics import median
from typing import Any

import click
import numpy as np
from figures import Figure, print_json
from rich.console import Console
from rich.table import Column, Table
from text_corpus import read_texts, train_tokenizer
from transformers import PreTrainedTokenizerFast
from turns import Measured, TokenCounts, Turn, measure

import resumable_data as rd

LOOP, OWN = "transformers", "resumable_data"
MARKS = ["<|im_start|>", "<|im_end|>"]
TEMPLATE = """{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' }}
{%- if message.role == 'assistant' %}
{%- generation %}{{- message.content + '<|im_end|>' }}{% endgeneration %}
{%- else %}
{{- message.content + '<|im_end|>' }}
{%- endif %}
{{- '\\n' }}
{%- endfor %}"""

Messages = list[dict[str, str]]


@dataclass(frozen=True)
class Job:
    """Conversations and their tokenizer."""

    chats: Sequence[Messages]
    tokenizer: Any

    def called(self, chats: Any) -> Any:
        """Applies the template of transformers to one conversation, or to several in one call."""
        return self.tokenizer.apply_chat_template(chats, return_dict=True, return_assistant_tokens_mask=True)

    def documents(self) -> rd.Dataset[Any]:
        """Makes this library's documents."""
        source = rd.InMemorySource([{"messages": chat} for chat in self.chats])
        return rd.Dataset.from_source(source).apply_chat_template(self.tokenizer)

    def batches(self) -> rd.Dataset[rd.LLMBatch]:
        """Makes this library's batches."""
        return self.documents().pack(2048, loss_mask="assistant_masks").batch(32, drop_remainder=False)


def one_by_one(job: Job) -> TokenCounts:
    """Yields the tokens of transformers, called for each conversation."""
    for chat in job.chats:
        yield len(job.called(chat)["input_ids"])


def together(job: Job, at_once: int) -> TokenCounts:
    """Yields the tokens of transformers, called for several conversations together."""
    rest = iter(job.chats)
    while part := list(islice(rest, at_once)):
        yield sum(map(len, job.called(part)["input_ids"]))


def of_documents(documents: rd.Dataset[Any]) -> TokenCounts:
    """Yields the tokens of documents."""
    with iter(documents) as iterator:
        for document in iterator:
            yield len(document["tokens"])


def of_batches(batches: rd.Dataset[rd.LLMBatch]) -> TokenCounts:
    """Yields the tokens of batches, scored or not."""
    with iter(batches) as iterator:
        for batch in iterator:
            yield int(np.count_nonzero(batch.inputs_segmentation))


def conversations(texts: Sequence[str], draw: random.Random) -> Iterator[Messages]:
    """Makes conversations of one to three questions and answers."""
    rest = iter(texts)
    while len(turns := list(islice(rest, 2 * draw.randint(1, 3)))) > 1:
        roles = ["user", "assistant"] * (len(turns) // 2)
        yield [
            {"role": "system", "content": "You know Python."},
            *({"role": role, "content": text[:2000]} for role, text in zip(roles, turns, strict=False)),
        ]


def turns(job: Job) -> Iterator[Turn]:
    """Returns all contenders."""
    opened: dict[tuple[str, str], Callable[[], TokenCounts]] = {
        (LOOP, "one a call"): partial(one_by_one, job),
        (LOOP, "256 a call"): partial(together, job, 256),
        (OWN, "documents"): partial(of_documents, job.documents()),
        (OWN, "batches"): partial(of_batches, job.batches()),
        (OWN, "batches, prefetch"): partial(of_batches, job.batches().prefetch()),
    }
    for (group, name), start in opened.items():
        yield Turn(name, group, start)


def figures(measured: Sequence[Measured], tokens_each: float) -> Iterator[Figure]:
    """Returns conversations a second, and their ratio to the plain loop."""
    for found in measured:
        name = f"{found.turn.group}: {found.turn.name}"
        yield Figure(name, median(found.clock) / tokens_each, "conversations/s")
        yield Figure(f"{name}, to one a call: by clock", found.clock_ratio(measured[0]), "x")
        yield Figure(f"{name}, to one a call: by processor", found.processor_ratio(measured[0]), "x")


@click.command()
@click.option("--megabytes", default=4, show_default=True, help="Text, at most.")
@click.option("--rounds", default=5, show_default=True, help="How often each contender takes its turn.")
@click.option("--json-only", is_flag=True, help="Print the JSON lines alone.")
def main(megabytes: int, rounds: int, json_only: bool) -> None:
    """Compares ways to make tokens of conversations."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    texts = read_texts(megabytes * 1_000_000)
    random.Random(7).shuffle(texts)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=train_tokenizer(texts),
        eos_token=MARKS[1],
        chat_template=TEMPLATE,
        extra_special_tokens=MARKS,
    )
    job = Job(list(conversations(texts, random.Random(8))), tokenizer)
    tokens_each = sum(together(job, 256)) / len(job.chats)
    found = list(figures(measure(list(turns(job)), rounds, show_progress=not json_only), tokens_each))
    if not json_only:
        columns = ("conversations/s", "to one a call", "by processor")
        title = f"{len(job.chats)} conversations of {tokens_each:.0f} tokens on average"
        table = Table("what", *(Column(column, justify="right") for column in columns), title=title)
        for rate, clock, processor in zip(found[::3], found[1::3], found[2::3], strict=True):
            table.add_row(rate.name, f"{rate.value:,.0f}", f"{clock.value:.2f}", f"{processor.value:.2f}")
        Console(width=100).print(table)
    print_json(found)


if __name__ == "__main__":
    main()

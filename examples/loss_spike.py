"""A loss spike: find the documents of the step, read them, skip them, and prove that nothing else moved.

    python examples/loss_spike.py [folder]

The model counts single tokens as it reads them. Some records of the corpus are noise.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

import resumable_data as rd

STEPS = 60
TEXT = (
    "the run resumed from its checkpoint and read each document once while shards moved between hosts a batch holds "
    "rows of tokens and every row knows where its documents come from so a step can be planned again at any time"
)


def write_corpus(folder: Path) -> None:
    """Writes two files of text. Records 800 to 811 of the second are noise."""
    rng = random.Random(7)
    for name in ("books", "web"):
        lines = [" ".join(rng.choices(TEXT.split(), k=rng.randint(20, 90))) for _ in range(2000)]
        if name == "web":
            noise = "0123456789+/=<>{}"
            lines[800:812] = ["".join(rng.choices(noise, k=rng.randint(250, 700))) for _ in range(12)]
        with (folder / f"{name}.jsonl").open("w") as file:
            file.writelines(json.dumps({"text": line}) + "\n" for line in lines)


def make_tokenizer() -> Tokenizer:
    """Trains a byte-level BPE with 400 tokens on the words."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=["<eos>", "<pad>"], initial_alphabet=alphabet)
    tokenizer.train_from_iterator([TEXT] * 50, trainer)
    return tokenizer


def make_data(folder: str = ".") -> rd.Dataset[Any]:
    """Makes the pipeline, for this program and for the command ``resumable-data``."""

    def rows(name: str) -> rd.Dataset[Any]:
        source = rd.HuggingFaceSource.from_files(Path(folder) / f"{name}.jsonl", column="text")
        text = rd.Dataset.from_source(source, name=name)
        return text.tokenize(make_tokenizer(), eos_id=0).repeat().pack(256, eod_id=0, pad_id=1, window=64)

    return rd.mix({name: rows(name) for name in ("books", "web")}, {"books": 1, "web": 2}).batch(8)


class TokenModel:
    """A model that predicts a token by its count so far."""

    def __init__(self) -> None:
        self._counts = np.ones(400)

    def step(self, batch: rd.LLMBatch) -> float:
        """Returns the loss of a batch. Then the model learns from the batch."""
        tokens = np.asarray(batch.targets)[np.asarray(batch.targets_segmentation) > 0]
        loss = -np.log(self._counts[tokens] / self._counts.sum()).mean()
        self._counts += np.bincount(tokens, minlength=400)
        return float(loss)


def main(folder: Path) -> None:
    """Trains, looks at the spike, skips it, and proves what that changed."""
    write_corpus(folder)
    data, model = make_data(str(folder)), TokenModel()

    with iter(data) as batches:
        states = [batches.get_state()]
        losses = []
        for batch in islice(batches, STEPS):
            losses.append(model.step(batch))
            states.append(batches.get_state())
    usual = float(np.median(losses))
    # The first steps are left out, since the model has learnt little there.
    spike = 10 + int(np.argmax(losses[10:]))
    print(f"loss {usual:.2f} as a rule, {losses[spike]:.2f} at step {spike}")

    print("\nWhat was in that step?")
    why = data.explain(spike, state=states[spike])
    long = sorted({(span.component, span.record, span.length) for row in why.rows for span in row})
    print(f"the longest documents: {sorted(long, key=lambda one: -one[2])[:3]}")
    for line in why.table(100).splitlines()[:6]:
        print(f"  {line}")

    page = folder / "step.html"
    shown = rd.view(data, spike, state=states[spike], tokenizer=make_tokenizer(), path=page)
    print(f"\nRead it: {shown.title}, in {page.name}")

    high = [step for step in range(10, STEPS) if losses[step] > usual + 0.2]
    first, count = high[0], high[-1] - high[0] + 1
    with iter(data) as batches:
        batches.set_state(states[first])
        batches.skip(count)
        after, model_after = batches.get_state(), TokenModel()
        calm = [model_after.step(batch) for batch in islice(batches, 20)][10:]
    print(f"\nSkip {count} batches from step {first} on: the loss is then at most {max(calm):.2f}")

    found = rd.diff((data, states[first]), (data, after), until=first + 50)
    print("\nDid anything else move?")
    print("  " + "\n  ".join(str(found).splitlines()[:5]))
    assert found.settings == ()
    assert found.first_step == first
    assert found.shift == count
    assert max(calm) < usual + 0.2


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as made:
            main(Path(made))

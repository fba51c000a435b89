"""Every argument of everything public, given values of every type: it is taken, or refused by an error of ours."""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from jax.sharding import Mesh
from tokenizers import Tokenizer, models, pre_tokenizers

import resumable_data as rd
from property_tests.testing.chats import CHAT, chat_tokenizer
from resumable_data.checkpoint.stateful import Checkpointable
from resumable_data.parts import Parts

WORDS = Tokenizer(models.WordLevel({"?": 0, "one": 1, "two": 2}, unk_token="?"))
WORDS.pre_tokenizer = pre_tokenizers.Whitespace()
SOURCE = rd.InMemorySource([[1, 2, 3], [4, 5], [6]])
TEXT = rd.Dataset.from_source(rd.InMemorySource(["one two", "two"]))
CHATS = rd.Dataset.from_source(rd.InMemorySource([{"messages": CHAT}] * 2))
DOCUMENTS = rd.Dataset.from_source(SOURCE)
ROWS = DOCUMENTS.repeat(4).pack(4, eod_id=0)
BATCHES = ROWS.batch(2)
ITERATOR = iter(BATCHES)
STATE = ITERATOR.get_state()


def same(value: Any, *more: Any) -> Any:
    return value


def keep(document: Any) -> bool:
    return True


CALLS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "from_source": (rd.Dataset.from_source, {"source": SOURCE, "name": "toy"}),
    "shuffle": (DOCUMENTS.shuffle, {"seed": 1}),
    "repeat": (DOCUMENTS.repeat, {}),
    "take": (DOCUMENTS.take, {"count": 2}),
    "skip records": (DOCUMENTS.skip, {"count": 2}),
    "slice": (DOCUMENTS.__getitem__, {"records": slice(2)}),
    "split": (DOCUMENTS.split, {"shares": {"a": 1, "b": 1}, "seed": 1}),
    "filter": (DOCUMENTS.filter, {"predicate": keep}),
    "random_map": (DOCUMENTS.random_map, {"function": same, "seed": 1}),
    "skip_bad_records": (DOCUMENTS.skip_bad_records, {"at_most": 1}),
    "map": (DOCUMENTS.map, {"function": same}),
    "append_eod": (DOCUMENTS.append_eod, {"eod_id": 9}),
    "tokenize": (TEXT.tokenize, {"tokenizer": WORDS, "eod_id": 2}),
    "apply_chat_template": (CHATS.apply_chat_template, {"tokenizer": chat_tokenizer()}),
    "pack": (DOCUMENTS.pack, {"length": 8, "eod_id": 9}),
    "pad": (DOCUMENTS.pad, {"length": 8, "eod_id": 9}),
    "shift": (ROWS.shift, {}),
    "batch": (ROWS.batch, {"size": 2}),
    "map_batches": (BATCHES.map_batches, {"function": same}),
    "shard": (BATCHES.shard, {"process_index": 0, "process_count": 2}),
    "shard_by_jax_process": (BATCHES.shard_by_jax_process, {}),
    "place": (BATCHES.place, {"where": Mesh(np.array(jax.devices()[:2]), ("data",))}),
    "measure": (BATCHES.measure, {}),
    "unbatch": (BATCHES.unbatch, {}),
    "prefetch": (BATCHES.prefetch, {}),
    "to_grain": (BATCHES.to_grain, {}),
    "batch_struct": (BATCHES.batch_struct, {}),
    "packing": (ROWS.packing, {}),
    "length": (BATCHES.length, {}),
    "explain": (BATCHES.explain, {"step": 0}),
    "when": (BATCHES.when, {"component": "data", "record": 0}),
    "simulate": (BATCHES.simulate, {"steps": 1}),
    "verify": (BATCHES.verify, {"state": STATE}),
    "view": (rd.view, {"what": BATCHES, "step": 0}),
    "diff": (rd.diff, {"a": BATCHES, "b": BATCHES}),
    "mix": (rd.mix, {"datasets": {"a": DOCUMENTS, "b": DOCUMENTS}}),
    "WeightSchedule": (rd.WeightSchedule, {"points": {0: {"a": 1}}}),
    "BatchSchedule": (rd.BatchSchedule, {"size": 2}),
    "BatchSchedule.linear": (rd.BatchSchedule.linear, {"start": 2, "stop": 8, "steps": 10}),
    "Retries": (rd.Retries, {}),
    "InMemorySource": (rd.InMemorySource, {"records": [[1]]}),
    "SyntheticSource": (rd.SyntheticSource, {"size": 4, "lengths": [3]}),
    "log_normal_lengths": (rd.log_normal_lengths, {"mean": 540}),
    "GrainSource": (rd.GrainSource, {"source": [[1], [2]]}),
    "TokenStoreSource": (rd.TokenStoreSource, {"paths": "missing"}),
    "write_token_store": (rd.write_token_store, {"path": "store.bin", "documents": [[1]]}),
    "ArrayRecordSource": (rd.ArrayRecordSource, {"paths": "missing", "parse": rd.parse_int32_tokens}),
    "HuggingFaceSource": (rd.HuggingFaceSource, {"dataset": "missing"}),
    "from_files": (rd.HuggingFaceSource.from_files, {"paths": "missing"}),
    "from_disk": (rd.HuggingFaceSource.from_disk, {"path": "missing"}),
    "HuggingFaceIterableSource": (rd.HuggingFaceIterableSource, {"dataset": "missing"}),
    "skip": (ITERATOR.skip, {"count": 1}),
    "set_state": (ITERATOR.set_state, {"state": STATE}),
    "seek": (ITERATOR.seek, {"step": 0}),
    "explain of an iterator": (ITERATOR.explain, {"step": 0}),
    "on_batch": (iter(BATCHES).on_batch, {"callback": same}),
    "DataSave": (rd.checkpoint.DataSave, {"item": ITERATOR}),
    "DataRestore": (rd.checkpoint.DataRestore, {"item": ITERATOR}),
    "Checkpointable": (Checkpointable, {"item": ITERATOR}),
}

GIVEN = {
    *("Appearance", "Diff", "Edit", "Epoch", "Epochs", "Explanation", "LeftOut", "Length", "PackingReport", "Parts"),
    *("Progress", "Simulation", "Span", "Stats", "Verified", "View"),
    *("DataIterator", "Dataset", "DocumentDataset", "RowDataset", "BatchDataset", "UnbatchedDataset"),
    *("Batch", "LLMBatch", "LLMFieldsBatch", "LLMIndexedBatch", "LLMIndexedFieldsBatch"),
    *("GrowingSource", "SequentialSource", "Source", "SourceWithColumns", "SourceWithFiles", "SourceWithLengths"),
    *("parse_int32_tokens", "parse_int64_tokens", "parse_uint16_tokens"),
    *(name for name in rd.__all__ if name.endswith("Error")),
}
"""Public names that users do not call: results, pipelines, batches, protocols, errors, and parsers of a source."""

VALUES: dict[str, Any] = {
    "None": None,
    "True": True,
    "0": 0,
    "a negative": -1,
    "a large number": 2**70,
    "a float": 1.5,
    "no number": float("nan"),
    "NumPy's integer": np.int64(2),
    "NumPy's float": np.float32(2.5),
    "NumPy's bool": np.False_,
    "an empty text": "",
    "a text": "text",
    "bytes": b"bytes",
    "an empty list": [],
    "a list": [1, 2],
    "names": ["a", "b"],
    "a tuple": (1, None),
    "a set": {1},
    "an empty dictionary": {},
    "a dictionary": {"a": 1},
    "an array": np.arange(3),
    "an array of JAX": jax.numpy.arange(3),
    "a function": same,
    "a lambda": lambda value: value,
    "a class": dict,
    "an object": object(),
    "a pipeline": DOCUMENTS,
    "a source": SOURCE,
}


def arguments() -> Iterator[tuple[str, str]]:
    for name, (call, _) in CALLS.items():
        for parameter in inspect.signature(call).parameters:
            yield name, parameter


def use(made: Any) -> None:
    """What one does with it first."""
    if isinstance(made, Parts):
        made = made[0]
    if isinstance(made, rd.Dataset):
        next(iter(made), None)


def methods_with_arguments() -> set[str]:
    return {
        name
        for kind in (rd.DocumentDataset, rd.RowDataset, rd.BatchDataset, rd.UnbatchedDataset)
        for name, method in inspect.getmembers(kind, inspect.isfunction)
        if name[0] != "_" and len(inspect.signature(method).parameters) > 1
    }


def test_all_methods_are_called() -> None:
    missing = methods_with_arguments() - CALLS.keys()

    assert methods_with_arguments() >= {"shuffle", "tokenize", "pack", "shift", "batch", "verify"}
    assert not missing, f"CALLS above lacks {sorted(missing)}: add each, with arguments that it takes"


def test_all_that_users_call_is_called() -> None:
    public = {name for name in rd.__all__ if callable(getattr(rd, name))}
    missing = public - GIVEN - {name.partition(".")[0] for name in CALLS}

    assert not missing, (
        f"CALLS above lacks {sorted(missing)}: add each, with arguments that it takes; or add it to GIVEN, if users "
        "do not call it"
    )


@pytest.mark.parametrize(("name", "parameter"), list(arguments()))
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_argument_of_any_type_is_taken_or_refused(
    name: str, parameter: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # Where a text is the name of a file, it is written there.
    call, settings = CALLS[name]
    refused = list[str]()
    for what, value in VALUES.items():
        try:
            use(call(**{**settings, parameter: value}))
        except rd.ResumableDataError as error:
            refused.append(str(error))
        except Exception as error:
            raise AssertionError(f"{name}: {parameter}={what}: {error!r}") from error

    assert refused
    assert max(map(len, refused)) < 1000

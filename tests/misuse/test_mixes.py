"""Misuses of mixes and of their weights."""

import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from jax.sharding import Mesh

import resumable_data as rd

# Untyped, as in a notebook.
MIX: Any = rd.mix
WEIGHTS: Any = rd.WeightSchedule
SOURCE = rd.InMemorySource([[1, 2, 3], [4, 5], [6]])
A: Any = rd.Dataset.from_source(SOURCE, name="a")
B: Any = rd.Dataset.from_source(SOURCE, name="b")
BOTH = {"a": A, "b": B}
MESH = Mesh(np.array(jax.devices()[:1]), ("data",))


def keep(document: Any) -> bool:
    return True


MISUSES: dict[str, tuple[Callable[[], object], str, str]] = {
    "a list, as in Grain": (lambda: MIX([A, B], [0.5, 0.5]), "takes datasets by name", "not a list"),
    "a tuple": (lambda: MIX((A, B)), "takes datasets by name", "as mix({'web': web, 'code': code}"),
    "one dataset": (lambda: MIX(A), "takes datasets by name", "not a DocumentDataset"),
    "None": (lambda: MIX(None), "takes datasets by name", "not None"),
    "a text": (lambda: MIX("web"), "takes datasets by name", "not a str"),
    "nothing": (lambda: MIX({}), "there are no components", "give datasets by name"),
    "sources": (
        lambda: MIX({"a": SOURCE}),
        "component 'a' is an InMemorySource",
        "Dataset.from_source(source, name=",
    ),
    "iterators": (lambda: MIX({"a": iter(A)}), "not a Dataset", "give the dataset itself"),
    "paths": (lambda: MIX({"a": "a/*.arecord"}), "component 'a' is a str", "Dataset.from_source(source, name="),
    "lists of records": (lambda: MIX({"a": [[1]]}), "component 'a' is a list", "Dataset.from_source(source, name="),
    "numbers as names": (lambda: MIX({0: A, 1: B}), "the name of a component=0", "must be a name (str)"),
    "an empty name": (lambda: MIX({"": A}), "the name of a component=''", "not empty"),
    "a name with a slash": (lambda: MIX({"web/en": A}), "'web/en'", "must not contain / or *"),
    "a name with a star": (lambda: MIX({"*": A}), "'*'", "must not contain / or *"),
    "documents and rows": (
        lambda: MIX({"a": A, "b": B.pack(8, eod_id=0)}),
        "all documents or all rows",
        "'b': 'pack'",
    ),
    "batches": (lambda: MIX({"a": A.pack(8, eod_id=0).batch(2)}), "all documents or all rows", "'a': 'batch'"),
    "rows of two lengths": (
        lambda: MIX({"a": A.pack(8, eod_id=0), "b": B.pack(4, eod_id=0)}),
        "rows of different formats",
        "length is 8 in 'a', 4 in 'b'",
    ),
    "weights in a list": (
        lambda: MIX(BOTH, [0.5, 0.5]),
        "weights are numbers by the name of a component",
        "not a list",
    ),
    "weights in a tuple": (lambda: MIX(BOTH, (1, 2)), "weights are numbers by the name", "as {'web': 3, 'code': 1}"),
    "weights in an array": (lambda: MIX(BOTH, np.array([1, 2])), "weights are numbers by the name", "not a ndarray"),
    "one weight": (lambda: MIX(BOTH, 0.5), "weights are numbers by the name", "not a float"),
    "no weights": (lambda: MIX(BOTH, {}), "there are no weights", "or leave them out"),
    "a weight too few": (lambda: MIX(BOTH, {"a": 1}), "components ['b'] have no weight", "give each one"),
    "a weight too many": (
        lambda: MIX(BOTH, {"a": 1, "b": 1, "c": 1}),
        "weights of ['c']",
        "which are not components",
    ),
    "a misspelt weight": (lambda: MIX(BOTH, {"a": 1, "B": 1}), "weights of ['B']", "the components are ['a', 'b']"),
    "a weight of text": (
        lambda: MIX(BOTH, {"a": "1", "b": 1}),
        "the weight of 'a' is '1'",
        "must be a number, not a str",
    ),
    "a weight of None": (lambda: MIX(BOTH, {"a": None, "b": 1}), "the weight of 'a' is None", "must be a number"),
    "a weight of True": (lambda: MIX(BOTH, {"a": True, "b": 1}), "the weight of 'a' is True", "not a bool"),
    "a weight in a list": (lambda: MIX(BOTH, {"a": [1], "b": 1}), "the weight of 'a' is [1]", "not a list"),
    "a complex weight": (lambda: MIX(BOTH, {"a": 1j, "b": 1}), "the weight of 'a' is 1j", "must be a number"),
    "a negative weight": (
        lambda: MIX(BOTH, {"a": -1, "b": 1}),
        "the weight of 'a' is -1",
        "weights are not negative",
    ),
    "an endless weight": (
        lambda: MIX(BOTH, {"a": math.inf, "b": 1}),
        "the weight of 'a' is inf",
        "not a finite number",
    ),
    "no number as weight": (
        lambda: MIX(BOTH, {"a": math.nan, "b": 1}),
        "the weight of 'a' is nan",
        "a finite number",
    ),
    "NumPy's no number": (lambda: MIX(BOTH, {"a": np.float32("nan"), "b": 1}), "the weight of 'a' is nan", "finite"),
    "weights of 0": (lambda: MIX(BOTH, {"a": 0, "b": 0.0}), "all weights are 0", "mix"),
    "a weight of next to 0": (
        lambda: MIX(BOTH, {"a": 1e-20, "b": 1}),
        "'a' is below 2**-40",
        "leave it out or use 0",
    ),
    "weights by number": (lambda: MIX(BOTH, {0: 1, 1: 1}), "the name of a weight=0", "must be a name (str)"),
    "another stop": (lambda: MIX(BOTH, stop="first"), "mix: stop='first'", "'first_exhausted', 'all_exhausted'"),
    "a misspelled stop": (lambda: MIX(BOTH, stop="renormal"), "mix: stop='renormal'", "'renormalize'"),
    "no stop": (lambda: MIX(BOTH, stop=None), "mix: stop=None", "there are 'first_exhausted'"),
    "stop by True": (lambda: MIX(BOTH, stop=True), "mix: stop=True", "'renormalize'"),
    "a schedule of pairs": (lambda: WEIGHTS([(0, {"a": 1})]), "points=[(0,", "must be a mapping from boundaries"),
    "a schedule of weights": (lambda: WEIGHTS({"a": 1, "b": 2}), "boundary='a'", "must be an integer"),
    "a schedule of numbers": (lambda: WEIGHTS({0: 0.5}), "weights are numbers by the name", "not a float"),
    "a schedule without 0": (lambda: WEIGHTS({100: {"a": 1}}), "points [100]", "the first of them 0"),
    "a schedule of nothing": (lambda: WEIGHTS({}), "points []", "the first of them 0"),
    "a schedule at a float": (lambda: WEIGHTS({0: {"a": 1}, 1.5: {"a": 1}}), "boundary=1.5", "must be an integer"),
    "a schedule before 0": (lambda: WEIGHTS({0: {"a": 1}, -1: {"a": 1}}), "points [-1, 0]", "natural numbers"),
    "a schedule in curves": (lambda: WEIGHTS({0: {"a": 1}}, between="cosine"), "between='cosine'", "'linear'"),
    "a schedule of other names": (
        lambda: MIX(BOTH, WEIGHTS({0: {"a": 1, "c": 1}})),
        "weights of ['c']",
        "'b'",
    ),
    "weights that change within a mix": (
        lambda: iter(
            MIX(
                {
                    "x": MIX(
                        {k: d.pack(8, eod_id=0) for k, d in BOTH.items()},
                        WEIGHTS({0: {"a": 1, "b": 1}, 9: {"a": 1, "b": 0}}),
                    )
                }
            ).batch(2)
        ),
        "weights change with the batch step",
        "the outermost mix of rows",
    ),
    "a mix that is shuffled": (
        lambda: MIX(BOTH).shuffle(1),
        "shuffle works on the documents of one",
        "shuffle each of them",
    ),
    "a mix that is repeated": (lambda: MIX(BOTH).repeat(), "repeat each of them before mix", "web.repeat(…)"),
    "a mix that is filtered": (lambda: MIX(BOTH).filter(keep), "filter each of them before mix", "web.filter(…)"),
    "a mix that is mapped": (lambda: MIX(BOTH).map(keep), "map each of them before mix", "code.map(…)"),
    "a mix that is tokenized": (
        lambda: MIX(BOTH).tokenize("x.json"),
        "tokenize each of them before mix",
        "mix({'web'",
    ),
    "a mix that is closed": (
        lambda: MIX(BOTH).append_eod(1),
        "append_eod each of them before mix",
        "web.append_eod(…)",
    ),
    "a mix without bad records": (
        lambda: MIX(BOTH).skip_bad_records(1),
        "skip_bad_records each of them",
        "before mix",
    ),
    "a mix of rows that is shuffled": (
        lambda: MIX({"a": A.pack(8, eod_id=0)}).shuffle(1),
        "shuffle works on documents",
        "before pack and batch",
    ),
    "a mix without an end": (lambda: MIX(BOTH).pack(8), "pack: there is no end-of-document token", "pass eod_id=…"),
    "a mix of two ends": (
        lambda: MIX({"a": A.append_eod(8), "b": B.append_eod(9)}).pack(8),
        "different end-of-document tokens (a: 8, b: 9)",
        "pass eod_id=…",
    ),
}


@pytest.mark.parametrize("misuse", MISUSES)
def test_a_misuse_of_a_mix_is_refused(misuse: str, refused: Any) -> None:
    refused(*MISUSES[misuse])


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.int8, np.uint64])
def test_weights_may_be_numbers_of_numpy(kind: type) -> None:
    python = kind(3).item() if issubclass(kind, np.integer) else 3.0
    given, same = ({"a": kind(3), "b": 1}, {"a": python, "b": 1})

    assert iter(MIX(BOTH, given)).get_state() == iter(MIX(BOTH, same)).get_state()
    assert (
        iter(MIX(BOTH, {"a": np.float32(0.3), "b": 1})).get_state() == iter(MIX(BOTH, {"a": 0.3, "b": 1})).get_state()
    )

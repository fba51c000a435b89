"""Fields that are aligned with the tokens, from documents to batches."""

import json
from collections.abc import Callable
from itertools import islice
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

import resumable_data as rd
from property_tests.testing.running import through_json
from resumable_data.arrays import Ragged
from resumable_data.reading.documents import Documents
from resumable_data.reading.fields import TokenFields, field_dtypes
from resumable_data.sources.source import Column


def document(tokens: list[int], **fields: object) -> dict[str, object]:
    return {"tokens": tokens, "loss_mask": [int(token % 3 > 0) for token in tokens], **fields}


def documents(*records: dict[str, object], **options: Any) -> rd.Dataset[Any]:
    return rd.Dataset.from_source(rd.InMemorySource(list(records), **options))


THREE = [document([1, 2, 3]), document([4, 5]), document([6, 7, 8, 9, 10])]


def test_a_loss_mask_takes_targets_out_of_the_loss_and_nothing_else() -> None:
    rows = documents(*THREE).pack(4, strategy="first_fit", eod_id=0, fields=["loss_mask"])
    (batch,) = rows.batch(4, drop_remainder=False, shards=1)

    assert batch.targets.tolist() == [[1, 2, 3, 10], [4, 5, 0, 0], [6, 7, 8, 9], [0, 0, 0, 0]]
    assert batch.targets_segmentation.tolist() == [[1, 1, 0, 2], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    assert batch.inputs_segmentation.tolist() == [[1, 1, 1, 2], [1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]]
    assert batch.fields["loss_mask"].tolist() == [[1, 1, 0, 1], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    assert batch.get_document_borders().astype(int).tolist()[0] == [1, 0, 0, 1]


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        ("inputs", [[1, 2, 3, 4], [5, 6, 7, 0]]),
        ("none", [[1, 2, 3, 4], [5, 6, 7, 0]]),
        ("targets", [[2, 3, 0, 0], [6, 0, 0, 0]]),
    ],
)
def test_a_field_stands_where_its_token_is_the_target(shift: str, expected: list[list[int]]) -> None:
    data = documents(*[{"tokens": tokens, "same": tokens} for tokens in ([1, 2, 3], [4], [5, 6], [7])])
    rows = data.pack(4, strategy="first_fit", eod_id=0, fields=["same"]).shift(shift)
    (batch,) = rows.batch(2, shards=1)

    assert batch.fields["same"].tolist() == expected
    assert batch.targets.tolist() == expected


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("pack", {"strategy": "concat_split"}),
        ("pack", {}),
        ("pack", {"truncate": True}),
        ("pad", {}),
        ("pad", {"truncate": True}),
    ],
)
def test_a_field_is_split_and_cut_as_its_document_is(method: str, options: dict[str, Any]) -> None:
    data = documents(*[{"tokens": list(range(n, 3 * n)), "half": [x / 2 for x in range(n, 3 * n)]} for n in range(9)])
    rows = getattr(data, method)(5, eod_id=0, pad_id=0, fields={"half": "float32"}, **options)
    batches = list(rows.batch(2, shards=1, drop_remainder=False))

    assert len(batches) > 2
    for batch in batches:
        assert batch.fields["half"].dtype == np.float32
        np.testing.assert_array_equal(batch.fields["half"] * 2, batch.targets)


def test_the_key_of_the_tokens_may_be_another_and_fields_none() -> None:
    data = documents({"input_ids": [1, 2], "text": "a b"})
    (batch,) = data.append_eod(9, tokens="input_ids").pad(4, eod_id=9, tokens="input_ids").batch(1)

    assert type(batch) is rd.LLMBatch
    assert batch.targets.tolist() == [[1, 2, 9, 0]]


def test_append_eod_is_told_what_the_fields_of_its_token_are() -> None:
    data = documents(
        {"tokens": [1, 2], "loss_mask": [0, 1], "weight": [0.5, 2.0]}, {"tokens": [], "loss_mask": [], "weight": []}
    )
    closed = data.append_eod(9, fields={"loss_mask": 1, "weight": 0.25})
    (batch,) = closed.pad(3, eod_id=9, fields={"loss_mask": int, "weight": "float32"} | {"loss_mask": "int32"}).batch(
        2, shards=1
    )

    assert [{key: np.asarray(value).tolist() for key, value in one.items()} for one in closed] == [
        {"tokens": [1, 2, 9], "loss_mask": [0, 1, 1], "weight": [0.5, 2.0, 0.25]},
        {"tokens": [9], "loss_mask": [1], "weight": [0.25]},
    ]
    assert batch.targets.tolist() == [[1, 2, 9], [9, 0, 0]]
    assert batch.targets_segmentation.tolist() == [[0, 1, 1], [1, 0, 0]]
    assert batch.fields["weight"].tolist() == [[0.5, 2.0, 0.25], [0.25, 0.0, 0.0]]


def test_append_eod_brings_its_token_with_it() -> None:
    (batch,) = (
        documents(*THREE[:1]).append_eod(9, fields={"loss_mask": 1}).pad(4, eod_id=9, fields=["loss_mask"]).batch(1)
    )

    assert batch.inputs.tolist() == [[9, 1, 2, 3]]


def test_a_document_that_was_left_out_has_no_field() -> None:
    kept = np.array([False, True, False])
    given = Documents([None, THREE[0], None]).keep(kept)
    found = given.as_tokens(TokenFields("tokens", (("loss_mask", "int32"),)), "{}".format)

    assert found.kept.tolist() == kept.tolist()
    assert found.tokens.lengths.tolist() == [0, 3, 0]
    assert found.tokens.fields is not None
    assert found.tokens.fields["loss_mask"].tolist() == [1, 1, 0]


def test_what_is_not_taken_has_to_be_present_all_the_same() -> None:
    fields = TokenFields("tokens", (("loss_mask", "int32"),), present=("id",))

    assert fields.keys == ("tokens", "loss_mask", "id")
    found = fields.aligned([document([1, 2], id=[7])], "document {}".format)
    assert list(found.fields or ()) == ["loss_mask"]
    for bad, message in ((document([1]), "has no 'id'"), (document([1], id=7), r"field 'id' has the shape \(\)")):
        with pytest.raises(rd.RecordError, match=f"document 0.*{message}"):
            fields.aligned([bad], "document {}".format)
    of_columns = fields.of_columns({"tokens": column([1, 2]), "loss_mask": column([0, 1]), "id": column([7])})
    assert of_columns is not None
    assert list(of_columns.fields or ()) == ["loss_mask"]


def column(*records: list[Any], dtype: str = "int64") -> Column:
    values = np.array([value for record in records for value in [*record, 0]], dtype)
    return Column(values, np.array([len(record) for record in records]))


def test_columns_give_what_documents_give_and_a_free_cell_behind_each() -> None:
    tokens = [[1, 2], [], [3]]
    fields = TokenFields("ids", (("mask", "bool"), ("weight", "float32")))

    found = fields.of_columns(
        {
            "ids": column(*tokens),
            "mask": column([1, 1], [], [1], dtype="uint8"),
            "weight": column([0.5, 1], [], [2], dtype="float64"),
        }
    )

    assert fields.keys == ("ids", "mask", "weight")
    assert found is not None
    assert [document.tolist() for document in found] == tokens
    assert found.values.dtype == np.int32
    assert found.spare == 1
    assert found.fields is not None
    assert found.fields["mask"].dtype == np.bool_
    assert found.fields["mask"].tolist() == [True, True, False, False, True, False]
    assert found.fields["weight"].dtype == np.float32
    assert found.fields["weight"].tolist() == [0.5, 1, 0, 0, 2, 0]


@pytest.mark.parametrize(
    "bad",
    [
        {"mask": column([1], [1, 1])},
        {"mask": column([1, 1, 1], [])},
        {"mask": column([1, 2], [1], dtype="float64")},
        {"mask": column([1, 2**40], [1])},
        {"ids": column([1, 2**40], [1])},
        {"ids": column([1, 2], [1], dtype="float64")},
    ],
)
def test_columns_that_are_bad_are_left_to_be_looked_at_as_documents(bad: dict[str, Column]) -> None:
    good = {"ids": column([1, 2], [3]), "mask": column([1, 1], [1])}
    fields = TokenFields("ids", (("mask", "int32"),))

    assert fields.of_columns(good) is not None
    assert fields.of_columns(good | bad) is None


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"tokens": [1, 2], "loss_mask": [1]}, r"field 'loss_mask' has 1 values, but the document has 2 tokens"),
        ({"tokens": [1, 2], "loss_mask": [[1, 1]]}, r"field 'loss_mask' has the shape \(1, 2\)"),
        ({"tokens": [1, 2], "loss_mask": 1}, r"field 'loss_mask' has the shape \(\)"),
        ({"tokens": [1, 2], "loss_mask": [[1], [1, 2]]}, "field 'loss_mask' is not an array"),
        ({"tokens": [1, 2], "mask": [1, 1]}, "has no 'loss_mask'; its keys are 'tokens', 'mask'"),
        ({"loss_mask": [1, 1]}, "has no 'tokens'; its keys are 'loss_mask'"),
        ([1, 2], "is a list, not a mapping with a 'tokens'"),
        ({"tokens": [1, 2], "loss_mask": [1, 0.5]}, "field 'loss_mask' holds float64, which int32 cannot"),
        ({"tokens": [1, 2], "loss_mask": [1, 2**40]}, "field 'loss_mask' holds the value 1099511627776"),
        ({"tokens": [1, 2], "loss_mask": ["a", "b"]}, "field 'loss_mask' holds <U1"),
        ({"tokens": [1.5, 2], "loss_mask": [1, 1]}, "tokens are integers"),
    ],
)
def test_a_bad_document_is_named(bad: object, message: str) -> None:
    data = rd.Dataset.from_source(rd.InMemorySource([THREE[0], bad], name="answers"))

    with pytest.raises(rd.RecordError, match=rf"answers \(2 records\), record 1\b.*{message}"):
        list(data.pad(4, eod_id=0, fields=["loss_mask"]).batch(1))


@pytest.mark.parametrize(
    ("dtype", "values", "message"),
    [
        ("bool", [2, 0], "value 2, which bool"),
        ("uint8", [-1, 0], "value -1"),
        ("float16", [1e6, 0], "value 1000000.0"),
    ],
)
def test_no_value_is_changed_by_its_dtype(dtype: str, values: list[float], message: str) -> None:
    data = documents({"tokens": [1, 2], "field": values})

    with pytest.raises(rd.RecordError, match=message):
        list(data.pad(4, eod_id=0, fields={"field": dtype}).batch(1))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: field_dtypes("pack", "loss_mask"), r"pack: fields='loss_mask' is one text"),
        (lambda: field_dtypes("pad", ["a", "a"]), "pad: .* names a field twice"),
        (lambda: field_dtypes("pack", {"a": "int64"}), "'a' is int64; a field is one of"),
        (lambda: field_dtypes("pack", {"a": "integer?"}), "'a' has no dtype"),
        (lambda: field_dtypes("pack", [""]), "a name that is not empty"),
        (lambda: documents(*THREE).pack(4, eod_id=0, fields=["tokens"]), "'tokens' are the tokens themselves"),
        (lambda: documents(*THREE).append_eod(9, fields={"tokens": 1}), "'tokens' are the tokens"),
    ],
)
def test_impossible_fields_are_refused_at_once(build: Callable[[], object], message: str) -> None:
    with pytest.raises(rd.PipelineError, match=message):
        build()


@pytest.mark.parametrize(
    "build", [lambda data: data.pad(4, eod_id=0), lambda data: data.append_eod(9).pad(4, eod_id=0)]
)
def test_mappings_of_which_nothing_was_said_are_refused_with_the_way_out(build: Callable[[Any], Any]) -> None:
    with pytest.raises(
        rd.RecordError, match=r"record 0 is a mapping with the keys 'tokens', 'loss_mask'.*tokens='input_ids'"
    ):
        list(build(documents(*THREE)).batch(1))


def test_fields_are_settings_of_the_rows() -> None:
    def rows(**options: Any) -> rd.Dataset[Any]:
        return documents(*[document([n], weight=[n]) for n in range(1, 9)]).pad(2, eod_id=0, **options).batch(2)

    state = through_json(iter(rows(fields=["loss_mask"])).get_state())

    for options, message in [
        ({"tokens": "tokens"}, "pad.fields"),
        ({"fields": ["loss_mask", "weight"]}, "pad.fields"),
        ({"fields": {"loss_mask": "bool"}}, "pad.fields"),
        ({"fields": ["loss_mask"], "tokens": "weight"}, "pad.tokens"),
    ]:
        with pytest.raises(rd.PipelineMismatchError, match=message):
            iter(rows(**options)).set_state(state)


@pytest.mark.parametrize("method", ["pack", "pad"])
def test_a_pipeline_without_fields_has_the_state_that_it_always_had(method: str) -> None:
    data = rd.Dataset.from_source(rd.InMemorySource([[1, 2]]))
    description = json.dumps(iter(getattr(data.append_eod(0), method)(2, eod_id=0).batch(1)).get_state()["stages"])

    assert "fields" not in description
    assert "tokens" not in description


def test_rows_of_components_that_have_other_fields_do_not_mix() -> None:
    with_mask = documents(*THREE).pad(4, eod_id=0, fields=["loss_mask"])
    without = documents(*THREE).pad(4, eod_id=0, tokens="tokens")

    with pytest.raises(rd.PipelineError, match="different formats"):
        rd.mix({"a": with_mask, "b": without})


def rows_of(batch: Any) -> list[Any]:
    return [leaf.tolist() for leaf in jax.tree.leaves(batch)]


def test_fields_of_one_row_at_a_time_are_those_of_batches() -> None:
    rows = documents(*THREE).pad(4, eod_id=0, fields=["loss_mask"])
    (batch,) = rows.batch(4, shards=1)

    singles = list(rows)
    assert [row.fields["loss_mask"].tolist() for row in singles] == batch.fields["loss_mask"].tolist()
    assert [row.targets_segmentation.tolist() for row in singles] == batch.targets_segmentation.tolist()


def test_a_batch_with_fields_is_a_pytree_that_can_be_cut_and_compiled() -> None:
    (batch,) = documents(*THREE).pad(4, eod_id=0, fields={"loss_mask": "bool"}).batch(4, shards=1)
    part = batch[1:3, 2:]

    assert isinstance(batch, rd.LLMFieldsBatch)
    assert part.fields["loss_mask"].tolist() == batch.fields["loss_mask"][1:3, 2:].tolist()
    assert [row.fields["loss_mask"].tolist() for row in batch] == batch.fields["loss_mask"].tolist()
    assert int(jax.jit(lambda b: jnp.sum(b.fields["loss_mask"]))(batch)) == batch.fields["loss_mask"].sum()
    assert len(jax.tree.leaves(batch)) == 7


@pytest.mark.parametrize("batch_type", [rd.LLMBatch, rd.LLMIndexedBatch])
@pytest.mark.parametrize("sources", [False, True])
@pytest.mark.parametrize("fields", [(), {"loss_mask": "bool", "weight": "float32"}])
def test_the_struct_is_that_of_the_batches(batch_type: type[rd.LLMBatch], sources: bool, fields: Any) -> None:
    records = [document([n], weight=[0.5 * n]) for n in range(1, 9)]
    batches = (
        documents(*records)
        .pad(2, eod_id=0, fields=fields, tokens="tokens")
        .batch(4, batch_type=batch_type, sources=sources)
    )
    where = jax.sharding.NamedSharding(Mesh(np.array(jax.devices()[:1]), ("data",)), PartitionSpec("data"))
    for view in (batches, batches.shard(1, 2), batches.place(where)):
        batch, struct = next(iter(view)), view.batch_struct()
        assert type(batch) is type(struct)
        assert jax.tree.structure(batch) == jax.tree.structure(struct)
        assert [(x.shape, x.dtype) for x in jax.tree.leaves(batch)] == [
            (x.shape, x.dtype) for x in jax.tree.leaves(struct)
        ]


def test_an_indexed_batch_has_fields_and_indices() -> None:
    rows = documents(*THREE).pad(4, eod_id=0, fields=["loss_mask"])
    (batch,) = rows.batch(4, shards=1, batch_type=rd.LLMIndexedBatch)

    assert type(batch) is rd.LLMIndexedFieldsBatch
    assert batch.document_idx.tolist() == [1, 2, 3, 3]
    assert batch.sequence_idx.tolist() == [0, 0, 0, 1]
    assert batch.fields["loss_mask"].tolist()[3] == [1, 0, 0, 0]


def test_a_batch_type_without_room_for_fields_is_refused() -> None:
    class Own(rd.LLMBatch):
        pass

    rows = documents(*THREE).pad(4, eod_id=0, fields=["loss_mask"])
    with pytest.raises(rd.PipelineError, match="Own has no place for fields"):
        rows.batch(4, batch_type=Own)


def test_placed_fields_lie_with_the_tokens() -> None:
    batches = documents(*THREE).pad(4, eod_id=0, fields=["loss_mask"]).batch(4, shards=1, sources=True)
    (batch,) = batches.place(Mesh(np.array(jax.devices()[:4]), ("data",)))
    (plain,) = batches

    assert isinstance(batch.fields["loss_mask"], jax.Array)
    assert batch.fields["loss_mask"].sharding == batch.targets.sharding
    assert rows_of(batch) == rows_of(plain)


def test_maps_make_the_fields() -> None:
    def with_mask(example: dict[str, list[int]]) -> dict[str, list[int]]:
        tokens = example["prompt"] + example["answer"]
        return {"tokens": tokens, "loss_mask": [0] * len(example["prompt"]) + [1] * len(example["answer"])}

    data = documents({"prompt": [1, 2], "answer": [3]}, {"prompt": [4], "answer": [5, 6]}).map(with_mask)
    (batch,) = data.pad(3, eod_id=0, fields=["loss_mask"]).batch(2)

    assert batch.targets.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert batch.targets_segmentation.tolist() == [[0, 0, 1], [0, 1, 1]]


def test_lengths_that_are_known_need_no_reading_ahead() -> None:
    source = rd.GrainSource(THREE, lengths=[3, 2, 5])
    rows = (
        rd.Dataset.from_source(source).append_eod(9, fields={"loss_mask": 0}).pack(8, eod_id=9, fields=["loss_mask"])
    )

    assert rows.packing().tokens == 13
    (batch,) = rows.batch(2)
    assert sorted(batch.targets[batch.targets_segmentation != 0].tolist()) == [1, 2, 4, 5, 7, 8, 10]


def test_slices_of_ragged_documents_keep_their_fields() -> None:
    found = Ragged(np.arange(4, dtype=np.int32), np.array([0, 2]), np.array([2, 2]), fields={"f": np.arange(4)})

    assert found[1:].fields is found.fields
    assert found[1:].starts.tolist() == [2]


def test_every_token_says_which_component_it_is_of() -> None:
    ones, twos, threes = ([[number] * 3 for _ in range(8)] for number in (1, 2, 3))

    def of(records: list[list[int]]) -> rd.Dataset[Any]:
        return rd.Dataset.from_source(rd.InMemorySource(records)).shuffle(1)

    inner = rd.mix({"z": of(ones), "b": of(twos)})
    batches = (
        rd.mix({"c": inner, "c-d": of(threes)}).pack(7, eod_id=0, strategy="concat_split").batch(2, sources=True)
    )
    iterator = iter(batches)

    assert iterator.components == ("c-d", "c/b", "c/z")
    numbers = {0: 0, 3: 1, 2: 2, 1: 3}
    seen = set()
    for batch in iterator:
        assert batch.fields["source"].tolist() == [
            [numbers[token] for token in row] for row in batch.targets.tolist()
        ]
        seen |= set(batch.fields["source"].ravel().tolist())
    assert seen >= {1, 2, 3}


def test_sources_are_told_of_mixed_rows_and_change_no_state() -> None:
    def of(number: int) -> rd.Dataset[Any]:
        return rd.Dataset.from_source(rd.InMemorySource([[number] * 2] * 9)).repeat().pad(3, eod_id=0)

    rows = rd.mix({"web": of(2), "code": of(1)}, {"web": 2, "code": 1})
    without, told = iter(rows.batch(3)), iter(rows.batch(3, sources=True))
    for plain, batch in islice(zip(without, told, strict=True), 4):
        assert type(plain) is rd.LLMBatch
        assert batch.fields["source"].tolist() == batch.targets.tolist() == plain.targets.tolist()
    assert without.get_state() == told.get_state()


def test_a_field_that_is_called_as_the_sources_is_refused_with_them() -> None:
    rows = documents(document([1], source=[1])).pad(3, eod_id=0, fields=["source"])

    assert next(iter(rows.batch(1))).fields["source"].tolist() == [[1, 0, 0]]
    with pytest.raises(rd.PipelineError, match="sources=True gives a field 'source'"):
        rows.batch(1, sources=True)

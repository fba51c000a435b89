"""Where documents become tokens, and who leaves out those that cannot."""

from typing import Any

import pytest

import resumable_data as rd
from resumable_data.reading.as_tokens import AsTokens, with_tokens
from resumable_data.reading.fields import TokenFields

MASK = TokenFields("tokens", (("loss_mask", "int32"),))
records = rd.Dataset.from_source(rd.InMemorySource([[1]]))


def same(document: Any) -> Any:
    return document


def steps(data: rd.Dataset[Any], fields: TokenFields | None) -> tuple[list[str], AsTokens]:
    found = with_tokens(data.node.steps, fields)
    (tokens,) = (step for step in found if isinstance(step, AsTokens))
    return [step.name for step in found], tokens


@pytest.mark.parametrize(
    ("data", "fields", "expected"),
    [
        (records, None, ["tokens"]),
        (records.append_eod(9).shuffle(1), None, ["tokens", "append_eod"]),
        (
            records.map(same).append_eod(9).filter(on_lengths=same).skip_bad_records(1),
            None,
            ["map", "tokens", "append_eod", "filter", "skip_bad_records"],
        ),
        (records.append_eod(9).map(same), None, ["append_eod", "map", "tokens"]),
        (records.append_eod(9).filter(same), None, ["append_eod", "filter", "tokens"]),
        # What appends to the tokens alone would leave the fields where they are: it refuses mappings.
        (records.append_eod(9), MASK, ["append_eod", "tokens"]),
        (records.append_eod(9, fields={"loss_mask": 1}), MASK, ["tokens", "append_eod"]),
        (records.append_eod(9, fields={"loss_mask": 0.5}), MASK, ["append_eod", "tokens"]),
        (records.append_eod(9, fields={"weight": 1}), MASK, ["append_eod", "tokens"]),
    ],
)
def test_documents_become_tokens_as_early_as_may_be(
    data: rd.Dataset[Any], fields: TokenFields | None, expected: list[str]
) -> None:
    assert steps(data, fields)[0] == expected


def test_what_is_appended_to_but_not_taken_has_to_be_present() -> None:
    data = records.append_eod(9, fields={"loss_mask": 1, "weight": 1}).append_eod(8, fields={"loss_mask": 1, "id": 1})
    found = steps(data, MASK)[1].fields

    assert found is not None
    assert found.present == ("weight", "id")


@pytest.mark.parametrize(
    ("build", "guarded"),
    [
        (lambda data: data.filter(same), 2),
        (lambda data: data.append_eod(9, fields={"loss_mask": 1}).filter(same), 2),
        (lambda data: data.skip_bad_records(3).filter(same), 3),
        (lambda data: data.map(same), None),
        (lambda data: data.filter(same).map(same), None),
        # Here the step itself runs what stands before it again.
        (lambda data: data, None),
    ],
)
def test_the_last_guard_leaves_out_what_only_steps_that_keep_fields_have_touched(
    build: Any, guarded: int | None
) -> None:
    guard: Any = steps(build(records.skip_bad_records(2)), MASK)[1].guard

    assert guarded == (None if guard is None else guard.at_most)

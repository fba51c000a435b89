from typing import Any

import numpy as np
import pytest

import resumable_data as rd
from resumable_data.arguments import as_bool, as_choice, as_integer, as_names, as_number, as_text, kind_of, shown


@pytest.mark.parametrize("value", [8, np.int8(8), np.uint64(8), np.array(8)])
def test_any_kind_of_integer_is_one(value: Any) -> None:
    assert as_integer("pack: length", value) == 8
    assert type(as_integer("pack: length", value)) is int


@pytest.mark.parametrize("value", [True, np.True_, 8.0, np.float32(8), "8", None, [8], b"8", 8j, int])
def test_nothing_else_is_an_integer(value: object) -> None:
    with pytest.raises(rd.PipelineError, match=r"pack: length=.* must be an integer, not "):
        as_integer("pack: length", value)


@pytest.mark.parametrize("value", [1, 1.0, np.float32(1), np.int64(1)])
def test_any_real_number_is_a_number(value: Any) -> None:
    assert as_number("wait", value) == 1.0


@pytest.mark.parametrize("value", [True, "1", None, [1.0], 1j, float("nan"), float("inf"), np.float32("inf")])
def test_nothing_else_is_a_number(value: object) -> None:
    with pytest.raises(rd.PipelineError, match=r"wait=.* must be a (finite )?number"):
        as_number("wait", value)


@pytest.mark.parametrize("value", [True, False, np.True_, np.False_])
def test_yes_and_no_are_taken(value: object) -> None:
    assert as_bool("pack: truncate", value) is bool(value)


@pytest.mark.parametrize("value", [None, 1, b"web", "", ["web"]])
def test_nothing_but_text_is_a_name(value: object) -> None:
    with pytest.raises(rd.PipelineError, match=r"name=.* must be a name"):
        as_text("name", value)


@pytest.mark.parametrize("value", [None, 1, "bestfit", ["best_fit"], True])
def test_a_choice_is_one_of_a_few(value: object) -> None:
    with pytest.raises(rd.PipelineError, match=r"strategy=.*; there are 'best_fit', 'first_fit'"):
        as_choice("strategy", value, ("best_fit", "first_fit"))


@pytest.mark.parametrize("value", ["batch", ["batch"], {"batch"}, ("batch", "batch"), iter(["batch"])])
def test_a_name_may_be_given_alone(value: object) -> None:
    assert as_names("allow", value, ("batch", "weights")) == {"batch"}


@pytest.mark.parametrize("value", ["batches", [1], [["batch"]], {"batch", None}, 5, None, True])
def test_unknown_names_are_refused_with_those_that_are_known(value: object) -> None:
    with pytest.raises(rd.PipelineError, match=r"allow=.*batch, weights"):
        as_names("allow", value, ("batch", "weights"))


def test_what_an_error_shows_is_short() -> None:
    assert len(shown(list(range(10_000)))) == 80
    assert [kind_of(value) for value in (None, 1, [], str)] == ["None", "an int", "a list", "the class str"]

"""Each request is scored once, whatever the sizes and processes; also on real processes with the demo's model."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jax.sharding import Mesh

import resumable_data as rd
from property_tests.testing import toy_tokenizer
from property_tests.testing.processes import ROOT, completed, start
from property_tests.testing.programs.evaluating import requests, scorer, write_task
from property_tests.testing.running import through_json
from resumable_data.interfaces.lmeval_pipeline.batches import RequestBatches
from resumable_data.interfaces.lmeval_pipeline.evaluation import Evaluation
from resumable_data.interfaces.lmeval_pipeline.rows import RequestRows
from resumable_data.interfaces.lmeval_pipeline.scoring import RowScores
from resumable_data.interfaces.lmeval_pipeline.tokens import RequestTokens
from resumable_data.lmeval_pipeline import Score, TokenScores, aggregate
from resumable_data.multihost_dataloading import MultiHostDataLoadIterator

PROGRAM = ROOT / "property_tests" / "testing" / "programs" / "evaluating.py"
BOS = 7


@dataclass(frozen=True)
class Case:
    """Requests as pairs of prefix and scored tokens, and the way they are divided."""

    given: list[list[int]]
    scored: list[list[int]]
    hosts: int
    local: int
    rows_multiple: int
    padding_multiple: int
    max_length: int | None

    def batches(self, host: int, hosts: int, ahead: int = 0) -> RequestBatches:
        texts = [np.array(text, np.int32) for text in (*self.given, *self.scored)]
        count = len(self.scored)
        tokens = RequestTokens(BOS, texts, list(range(count)), list(range(count, 2 * count)))
        return RequestBatches(
            RequestRows(tokens, self.max_length),
            global_batch_size=self.hosts * self.local,
            host_index=host,
            host_count=hosts,
            padding_multiple=self.padding_multiple,
            rows_multiple=self.rows_multiple,
            ahead=ahead,
        )

    def expected(self) -> list[Score]:
        """Scores one request at a time."""
        found = []
        for given_, scored in zip(self.given, self.scored, strict=True):
            whole = [BOS, *given_, *scored]
            pairs = list(zip(whole[len(given_) :], scored, strict=False))
            total = sum(log_prob(read, target) for read, target in pairs)
            found.append(Score(float(total), all(target % 2 for _, target in pairs), len(pairs)))
        return found


def log_prob(read: Any, target: Any) -> Any:
    """A stand-in for a model that sees the token before. Sums of whole numbers are exact."""
    return -1 * (3 * target + read)


def tokens(most: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, 99), max_size=most)


@st.composite
def cases(draw: st.DrawFn, least: int = 1) -> Case:
    count = draw(st.integers(least, 50))
    return Case(
        given=draw(st.lists(tokens(9), min_size=count, max_size=count)),
        scored=draw(st.lists(tokens(20), min_size=count, max_size=count)),
        hosts=draw(st.integers(1, 8)),
        local=draw(st.integers(1, 5)),
        rows_multiple=draw(st.integers(1, 4)),
        padding_multiple=draw(st.sampled_from([1, 2, 8, 128])),
        max_length=draw(st.none() | st.integers(1, 12)),
    )


NONE = Case([], [], 3, 2, 1, 8, None)
ONE = Case([[]], [[]], 8, 2, 1, 8, None)


@given(cases(least=0))
@example(NONE)
@example(ONE)
def test_each_request_is_scored_once_on_any_number_of_processes(case: Case) -> None:
    if not case.scored:
        with pytest.raises(rd.PipelineError, match="no requests"):
            case.batches(0, case.hosts)
        assert aggregate([], [], [], [], [], []) == case.expected() == []
        return
    columns: dict[str, list[Any]] = defaultdict(list)
    shapes: list[list[tuple[int, ...]]] = []
    for host in range(case.hosts):
        of_host = list(case.batches(host, case.hosts))
        shapes.append([batch.inputs.shape for batch in of_host])
        for batch in of_host:
            found = RowScores.of(TokenScores(log_prob(batch.inputs, batch.targets), batch.targets % 2 == 1), batch)
            for name, values in vars(found).items():
                columns[name] += values

    assert all(of_host == shapes[0] for of_host in shapes)
    scores = aggregate(**columns, sequences=case.batches(0, 1).sequences)
    # Windows begin with the token before them, and log_prob looks at no other.
    assert scores == case.expected()


@given(cases())
@example(ONE)
def test_the_parts_of_all_processes_join_to_the_batches_of_one(case: Case) -> None:
    alone = list(case.batches(0, 1))
    parts = [list(case.batches(host, case.hosts)) for host in range(case.hosts)]
    assert {len(part) for part in parts} == {len(alone)}
    for step, batch in enumerate(alone):
        size = case.hosts * case.local
        length = batch.inputs.shape[1]
        assert length % case.padding_multiple == 0 or length == case.max_length
        assert case.max_length is None or length <= case.max_length
        for name in batch.keys():  # noqa: SIM118
            joined = np.concatenate([part[step][name][: case.local] for part in parts])
            assert joined.dtype == np.int32
            assert joined.tolist() == batch[name][:size].tolist()
            for part in parts:
                assert not part[step][name][case.local :].any()
    lengths = [int(length) for batch in alone for length in (batch.inputs_segmentation != 0).sum(1)]
    real = [length for length in lengths if length]
    assert real == sorted(real, reverse=True)


@given(cases(), st.data())
def test_a_position_holds_for_any_number_of_processes(case: Case, data: st.DataObject) -> None:
    first = iter(case.batches(0, case.hosts))
    whole = list(case.batches(0, 1))
    stop = data.draw(st.integers(0, len(whole)))
    for _ in range(stop):
        next(first)
    state = through_json(first.get_state())
    resumed = iter(case.batches(0, 1, ahead=data.draw(st.integers(0, 2))))
    for _ in range(data.draw(st.integers(0, len(whole)))):
        next(resumed)
    for _ in range(2):
        resumed.set_state(state)
        assert resumed.get_state() == state
        rest = list(resumed)
        assert [batch.document_idx.tolist() for batch in rest] == [b.document_idx.tolist() for b in whole[stop:]]
    resumed.close()


@given(cases(), st.data())
@settings(max_examples=settings.default.max_examples // 10)
def test_an_interrupted_evaluation_finds_the_same(case: Case, data: st.DataObject) -> None:
    def score(params: Any, batch: Any) -> TokenScores:
        return TokenScores(jnp.float32(log_prob(batch.inputs, batch.targets)), batch.targets % 2 == 1)

    def evaluation() -> Evaluation:
        batches = case.batches(0, 1)
        mesh = Mesh(np.array(jax.devices()[: case.rows_multiple]), "data")
        iterator = MultiHostDataLoadIterator(batches, mesh, len(batches), reset_after_epoch=True)
        return Evaluation(iterator, score, None)

    found, state = evaluation(), None
    while state is None or found.step < len(found):
        for _ in range(data.draw(st.integers(0, len(found) - found.step))):
            next(found)
        state = through_json(found.get_state())
        found.close()
        found = evaluation()
        found.set_state(state)
        if found.step < len(found):
            next(found)
    assert found.results() == case.expected()
    found.close()


def test_two_processes_and_one_find_the_same(tmp_path: Path) -> None:
    tokenizer = str(tmp_path / "tokenizer")
    toy_tokenizer.with_names().save_pretrained(tokenizer)
    write_task(tmp_path)

    def run(count: int, *actions: str) -> list[dict[str, Any]]:
        ended = completed(PROGRAM, [tokenizer, str(tmp_path), *actions], count=count, devices=4 // count)
        return [{report["what"]: report for report in process.reports} for process in ended]

    two = run(2, "answer", "save", "differ")
    for name in ("answers", "saved", "harness"):
        assert two[0].get(name) == two[1].get(name)
    assert two[0]["saved"]["rest"] == [3, 4]
    assert [score[:2] for score in two[0]["saved"]["found"]] == two[0]["answers"]["found"]
    with start(PROGRAM, [tokenizer, str(tmp_path), "die"], count=2, devices=2) as killed:
        codes = [process.code for process in killed.wait()]
    # A process may end first because the other has died.
    assert -SIGKILL in codes
    assert 0 not in codes
    (one,) = run(1, "answer", "resume", "go_on")
    assert one["answers"] == two[0]["answers"]
    assert one.get("harness") == two[0].get("harness")
    assert one["resumed"]["rest"] == [3, 4]
    assert one["resumed"]["found"] == two[0]["saved"]["found"]
    assert one["went on"]["latest"] in (1, 2)
    assert one["went on"]["found"] == two[0]["saved"]["found"]
    # The eight devices of the tests divide a batch in another way, so floats may differ in their last bits.
    here = scorer(tokenizer).loglikelihood(requests())
    np.testing.assert_allclose([x for x, _ in here], [x for x, _ in one["answers"]["found"]], rtol=1e-5)

    for process in two:
        assert "PipelineMismatchError: preparing requests to evaluate: the processes" in process["other"]["error"]
        assert "this one has {'requests'" in process["other"]["error"]
    assert two[0]["none"]["error"].startswith("PipelineError: there are no requests")
    assert "PeerError: preparing requests to evaluate: another process cannot go on" in two[1]["none"]["error"]

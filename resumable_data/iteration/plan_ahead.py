"""Plans elements ahead of the next one, as many at a time as are best read together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from resumable_data.engines.engine import Engine, Planned
from resumable_data.errors import ResumableDataError
from resumable_data.opaque import Cursor, Element, Plan
from resumable_data.timing import Work
from resumable_data.waits import Doing

_TOKENS_AT_ONCE = 2**24


@dataclass(frozen=True)
class After:
    """The position after an element.

    Attributes:
        cursor: The engine's cursor.
        delivered: The digest of the element, if it has one.
        following: The digest of the next; ``"end"`` at the end of the data, ``""`` if planning it would read.
    """

    cursor: Cursor
    delivered: str | None
    following: str


@dataclass(frozen=True)
class PlannedAhead:
    """A planned element.

    Attributes:
        plan: What to load.
        spans: Number of spans of documents to read for it.
        tokens: Number of tokens in them.
        after: The position after it.
    """

    plan: Plan
    spans: int
    tokens: int
    after: After


def plan_ahead(engine: Engine[Plan, Cursor, Element], cursor: Cursor, step: int) -> Iterator[list[PlannedAhead]]:
    """Plans elements from a step and its cursor on, as many at a time as are best read together.

    Records are cheap when hundreds are read at once. The first list has one element, to be fast after a resume. Each
    next list has twice as many, up to a limit of spans and tokens. If element sizes are not known, the engine lowers
    its limit.
    """
    each, elements = plan_one_by_one(engine, cursor, step), 1
    while True:
        most_spans = engine.spans_at_once
        planned: list[PlannedAhead] = []
        failure: ResumableDataError | None = None
        spans = tokens = 0
        with Doing(_planning, Work.PLANNING):
            while len(planned) < elements and spans < most_spans and tokens < _TOKENS_AT_ONCE:
                try:
                    following = next(each, None)
                except ResumableDataError as error:
                    # The elements planned so far are delivered first.
                    failure = error
                    break
                if following is None:
                    break
                planned.append(following)
                spans, tokens = spans + following.spans, tokens + following.tokens
        if planned:
            yield planned
        if failure is not None:
            raise failure
        if not planned:
            return
        elements *= 2


def plan_one_by_one(engine: Engine[Plan, Cursor, Element], cursor: Cursor, step: int) -> Iterator[PlannedAhead]:
    """Plans elements from a step and its cursor on, each with the digest of the next if that does not read."""
    planned = engine.plan(cursor, step)
    while planned is not None:
        step += 1
        if planned.digest is None or not engine.plans_without_reading:
            yield _ahead(planned, "")
            planned = engine.plan(planned.after, step)
            continue
        try:
            following = engine.plan(planned.after, step)
        except ResumableDataError:
            yield _ahead(planned, "")
            raise
        yield _ahead(planned, digest_of(following))
        planned = following


def digest_of(planned: Planned[Plan, Cursor] | None) -> str:
    """Returns the digest of a planned element; ``"end"`` at the end of the data, ``""`` if it has none."""
    return "end" if planned is None else planned.digest or ""


def _ahead(planned: Planned[Plan, Cursor], following: str) -> PlannedAhead:
    return PlannedAhead(planned.plan, planned.spans, planned.tokens, After(planned.after, planned.digest, following))


def _planning() -> str:
    return "planning"

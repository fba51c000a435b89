"""The step of a component that turns documents into flat tokens for rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from resumable_data.arrays import Int64Array
from resumable_data.errors import RecordError
from resumable_data.reading.documents import Documents, NameOf
from resumable_data.reading.fields import TokenFields
from resumable_data.reading.step import Guard, Step
from resumable_data.reading.token_ids import ANY_TOKEN, TokenIds


@dataclass(frozen=True)
class AsTokens(Step):
    """Turns documents into flat tokens, with the fields that rows take.

    Attributes:
        fields: What to take from documents that are mappings; None if documents are tokens.
        guard: Leaves out a document that cannot be turned into tokens; None if that is an error.
        ids: Which ids tokens can have.
    """

    fields: TokenFields | None
    guard: Guard | None = None
    ids: TokenIds = ANY_TOKEN

    @property
    def name(self) -> str:
        """The step's name."""
        return "tokens"

    def apply(self, documents: Documents, indices: Int64Array, name: NameOf) -> Documents:
        """Turns documents into tokens.

        Raises:
            RecordError: A document is bad, and no guard leaves it out.
        """
        try:
            return self._checked(documents, name)
        except RecordError:
            if self.guard is None:
                raise
        parts = [self._guarded(documents, indices, name, place, self.guard) for place in range(len(documents))]
        return Documents.concatenate(parts)

    def nothing(self) -> Documents:
        """Returns the tokens of one dropped document."""
        return Documents.nothing(1).as_tokens(self.fields, "{}".format)

    def _checked(self, documents: Documents, name: NameOf) -> Documents:
        found = documents.as_tokens(self.fields, name)
        self.ids.check(found.tokens, name)
        return found

    def _guarded(
        self, documents: Documents, indices: Int64Array, name: NameOf, place: int, guard: Guard
    ) -> Documents:
        one = np.array([place])
        try:
            return self._checked(documents.take(one), lambda _: name(place))
        except RecordError as error:
            guard.leave_out(int(indices[place]), error)
            return self.nothing()


def with_tokens(steps: Sequence[Step], fields: TokenFields | None, ids: TokenIds = ANY_TOKEN) -> tuple[Step, ...]:
    """Adds the step that turns documents into tokens to the steps of a component.

    It stands as early as possible: all steps after it must work on tokens. Then a source with columns makes no
    records, and ``append_eod`` writes into the array that the source filled. The next ``skip_bad_records`` leaves out
    a document that cannot be turned into tokens. One before this step does so too, if all steps between them keep
    fields with their tokens: the fields were wrong before.

    Args:
        steps: The steps, in their order.
        fields: What rows take from documents that are mappings; None if documents are tokens.
        ids: Which ids tokens can have.
    """
    place = len(steps)
    while place and steps[place - 1].takes_tokens(fields):
        place -= 1
    guard = place - 1
    while guard >= 0 and steps[guard].keeps_fields(fields) and not isinstance(steps[guard], Guard):
        guard -= 1
    before = steps[guard] if guard >= 0 else None
    if fields is not None:
        present = {key: None for step in steps[place:] for key in step.present(fields)}
        fields = replace(fields, present=tuple(present))
    return (*steps[:place], AsTokens(fields, before if isinstance(before, Guard) else None, ids), *steps[place:])

"""``Step``: a function that a component applies to its documents when they are read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from typing_extensions import override

from resumable_data.arrays import Int64Array
from resumable_data.errors import RecordError
from resumable_data.reading.documents import Documents, NameOf
from resumable_data.reading.fields import TokenFields
from resumable_data.state import Settings
from resumable_data.timing import Work


@dataclass(frozen=True)
class Step(ABC):
    """A pure function from n documents to n documents, and what it declares about them.

    A step knows nothing of those before it and after it: ``DocumentReader`` runs them.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """The name of this kind of step in descriptions and errors."""

    @abstractmethod
    def apply(self, documents: Documents, indices: Int64Array, name: NameOf) -> Documents:
        """Applies the step to documents.

        Args:
            documents: n documents. Dropped ones stay dropped.
            indices: int64[n], their records; from the first ``epoch_dependent`` step on, the occurrences of these.
            name: Names the document at a place, for errors.

        Raises:
            RecordError: A document is bad.
        """

    def settings(self) -> Settings:
        """Returns the settings that decide the data."""
        return {}

    def algorithms(self) -> dict[str, int]:
        """Returns versions of the algorithms that this step uses."""
        return {}

    def lengths(self, lengths: Int64Array) -> Int64Array:
        """Returns the lengths after this step for int64[n] lengths before it; -1 for a dropped document."""
        return lengths

    @property
    def lengths_stay_known(self) -> bool:
        """Whether ``lengths`` agrees with ``apply``, so that nothing has to be read."""
        return True

    @property
    def drops(self) -> bool:
        """Whether it may leave documents out, each of which keeps its position."""
        return False

    @property
    def truncates(self) -> bool:
        """Whether the tokens that it removes count as truncated."""
        return False

    @property
    def maker(self) -> str | None:
        """What makes the documents after it, for errors about them; None if it makes no new ones."""
        return None

    @property
    def epoch_dependent(self) -> bool:
        """Whether its result differs by epoch. Plans then name occurrences instead of records."""
        return False

    @property
    def works_together(self) -> bool:
        """Whether it is faster on many documents in one call than one by one."""
        return False

    @property
    def work(self) -> Work:
        """The kind of work that its time counts as."""
        return Work.READING

    def takes_tokens(self, fields: TokenFields | None) -> bool:
        """Tells whether documents may be flat tokens with these fields before it, and stay such after it."""
        return False

    def keeps_fields(self, fields: TokenFields | None) -> bool:
        """Tells whether tokens and fields are aligned after it if, and only if, they are aligned before it."""
        return False

    def present(self, fields: TokenFields) -> tuple[str, ...]:
        """Returns keys that documents must have before it, if they are flat tokens, though rows do not take them."""
        return ()


class Guard(Step):
    """A step that leaves out the records on which the steps before it fail."""

    @abstractmethod
    def leave_out(self, index: int, error: RecordError) -> None:
        """Notes that a record, or an occurrence of it, is bad.

        Raises:
            RecordError: It must not be left out.
        """

    @property
    @override
    def drops(self) -> bool:
        return True

    @override
    def takes_tokens(self, fields: TokenFields | None) -> bool:
        return True

    @override
    def keeps_fields(self, fields: TokenFields | None) -> bool:
        return True

    @override
    def apply(self, documents: Documents, indices: Int64Array, name: NameOf) -> Documents:
        """Returns the same documents: what is bad never comes here."""
        return documents

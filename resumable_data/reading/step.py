"""``Step``: what is done to the documents of a component when they are read."""

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
    """A pure function from documents to as many documents, and what it declares about them.

    A step knows nothing of those before it and after it: ``DocumentReader`` runs them.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """What descriptions and errors call this kind of step."""

    @abstractmethod
    def apply(self, documents: Documents, indices: Int64Array, name: NameOf) -> Documents:
        """What becomes of documents.

        Args:
            documents: n of them, some of which may be dropped, and stay so.
            indices: int64[n], the records that they are made of, or the occurrences of these from the first step on
                that is ``epoch_dependent``.
            name: What an error calls the document at a place.

        Raises:
            RecordError: A document is bad.
        """

    def settings(self) -> Settings:
        """The settings that decide the data."""
        return {}

    def algorithms(self) -> dict[str, int]:
        """Versions of the algorithms that this step uses."""
        return {}

    def lengths(self, lengths: Int64Array) -> Int64Array:
        """From int64[n] tokens of documents before this step to those after it; -1 for one that is dropped."""
        return lengths

    @property
    def lengths_stay_known(self) -> bool:
        """Whether ``lengths`` says what ``apply`` does, so that nothing has to be read."""
        return True

    @property
    def drops(self) -> bool:
        """Whether it may leave documents out, each of which keeps its position."""
        return False

    @property
    def truncates(self) -> bool:
        """Whether tokens by which it makes documents shorter count as truncated."""
        return False

    @property
    def epoch_dependent(self) -> bool:
        """Whether what becomes of a record differs by epoch: plans then name occurrences instead of records."""
        return False

    @property
    def works_together(self) -> bool:
        """Whether it works faster on many documents in one call than on one after the other."""
        return False

    @property
    def work(self) -> Work:
        """What the time that it takes counts as."""
        return Work.READING

    def takes_tokens(self, fields: TokenFields | None) -> bool:
        """Whether documents may be flat tokens with these fields before it, and are such after it."""
        return False

    def keeps_fields(self, fields: TokenFields | None) -> bool:
        """Whether tokens and fields go together after it just where they do before it."""
        return False

    def present(self, fields: TokenFields) -> tuple[str, ...]:
        """Keys that documents need to have though rows do not take them, where they are flat tokens before it."""
        return ()


class Guard(Step):
    """A step that leaves out the records with which the steps before it fail."""

    @abstractmethod
    def leave_out(self, index: int, error: RecordError) -> None:
        """Notes that a record, or an occurrence of it, is bad.

        Raises:
            RecordError: It is not to be left out.
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
        """The same documents: what is bad never comes here."""
        return documents

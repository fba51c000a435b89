"""What the methods that add a stage to one component share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar, cast

from resumable_data.dataset.dataset import Dataset
from resumable_data.errors import PipelineError
from resumable_data.opaque import Document
from resumable_data.reading.step import Step
from resumable_data.stages.component import Component
from resumable_data.stages.mix import MixDocuments
from resumable_data.stages.repeat import Repeat
from resumable_data.stages.select import Selection
from resumable_data.stages.shuffle import Shuffle

if TYPE_CHECKING:
    from resumable_data.dataset.documents import DocumentDataset

ElementT = TypeVar("ElementT")


@dataclass(frozen=True, repr=False)
class ComponentStages(Dataset[ElementT]):
    """A pipeline of documents to which a stage can be added.

    Attributes:
        node: The component, or a mix of several, to which only ``pack`` and ``pad`` can be added.
    """

    node: Component | MixDocuments

    def _component(self, method: str) -> Component:
        """Returns the one component that a method works on.

        Raises:
            PipelineError: The documents are mixed or prefetched.
        """
        self._before_prefetch(method)
        if not isinstance(self.node, Component):
            raise PipelineError(
                f"{method} works on the documents of one component: {method} each of them before mix, as in "
                f"mix({{'web': web.{method}(…), 'code': code.{method}(…)}})"
            )
        return self.node

    def _random_access(self, method: str) -> Component:
        """Returns the one component that a method works on, which needs random access.

        Raises:
            PipelineError: There is none.
        """
        component = self._component(method)
        if not component.random_access:
            raise PipelineError(
                f"{method}: component {component.component!r} comes from an iterable without random access; "
                f"{method} it in the dataset itself"
            )
        return component

    def _then(self, component: Component, stage: Selection | Shuffle | Repeat | Step) -> DocumentDataset[Document]:
        """Returns the pipeline with one more stage."""
        return cast("DocumentDataset[Document]", replace(self, node=component.then(stage)))

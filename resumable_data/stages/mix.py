"""The mix stage: documents, or rows, of several components in proportion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

from typing_extensions import override

from resumable_data.arguments import as_choice, as_text
from resumable_data.arrays import Int64Array
from resumable_data.assembly.row_format import RowFormat
from resumable_data.errors import PipelineError
from resumable_data.opaque import Cursor
from resumable_data.order import mixture
from resumable_data.planning.integers import is_mix
from resumable_data.planning.mixed import MixedDocuments, MixedRows, join_documents, join_rows
from resumable_data.planning.mixer import Mixer
from resumable_data.planning.weights import WeightSchedule
from resumable_data.stages.catalog import Catalog
from resumable_data.stages.open_context import OpenContext
from resumable_data.stages.stage import DocumentStage, RowStage, Stage
from resumable_data.state import Settings

Stop = Literal["first_exhausted", "all_exhausted", "renormalize"]


@dataclass(frozen=True)
class MixSettings:
    """What mixes of documents and of rows have in common.

    Attributes:
        names: The components, sorted.
        weights: Their weights.
        stop: What happens when a component is exhausted. ``"first_exhausted"`` ends the mix.
            ``"all_exhausted"`` repeats components until each was exhausted once. ``"renormalize"`` goes on with
            the others.
    """

    names: tuple[str, ...]
    weights: WeightSchedule
    stop: Stop

    def __post_init__(self) -> None:
        if not self.names:
            raise PipelineError("mix: there are no components")
        as_choice("mix: stop", self.stop, get_args(Stop))
        for name in self.names:
            if not as_text("mix: the name of a component", name) or "/" in name or "*" in name:
                raise PipelineError(
                    f"mix: a component is named {name!r}; a name must not be empty, and must not contain / or *"
                )
        mixture.exact_weights([dict(weights) for _, weights in self.weights.points], self.names)

    def settings(self) -> Settings:
        """Returns weights and stop policy."""
        return {"weights": self.weights.to_json(), "stop": self.stop}

    def paths(self, stage: MixDocuments | MixRows, path: str) -> list[str]:
        """Returns the paths of the components of a mix at ``path``, in the order of the names."""
        prefix = path.removesuffix("*")
        suffixes = ("/*" if is_mix(parent.component) else "" for parent in stage.parents)
        return [f"{prefix}{name}{suffix}" for name, suffix in zip(self.names, suffixes, strict=True)]

    def open(
        self,
        stage: MixDocuments | MixRows,
        context: OpenContext,
        catalog: Catalog,
        path: str,
        join: Callable[[Sequence[Any], Int64Array], Any],
    ) -> Mixer[Cursor]:
        """Opens the components, and the mixer that draws from them."""
        first_row, endless = context.first_row, context.endless
        if first_row is None and len(self.weights.points) > 1:
            raise PipelineError("mix: weights change with the batch step, which only the outermost mix of rows knows")
        below = replace(context, first_row=None, endless=endless or self.stop == "all_exhausted")
        paths = zip(stage.parents, self.paths(stage, path), strict=True)
        children = [parent.open(below, catalog, child_path) for parent, child_path in paths]
        catalog.use({"mix": mixture.VERSION})
        group = path.removesuffix("*").removesuffix("/")
        name = f"mix {group}" if group else "mix"
        catalog.describe(path, name, self.settings())
        to_samples = first_row if first_row is not None else int
        return Mixer(
            path, name, self.names, children, self.weights, to_samples, self.stop, endless=endless, join=join
        )


@dataclass(frozen=True)
class MixDocuments(DocumentStage):
    """Documents of several components.

    Attributes:
        parents: Their documents, in the order of the names.
        mix: Names, weights and stop policy.
    """

    parents: tuple[DocumentStage, ...]
    mix: MixSettings

    @property
    @override
    def name(self) -> str:
        return "mix"

    @override
    def settings(self) -> Settings:
        return self.mix.settings()

    @property
    @override
    def component(self) -> str:
        return "*"

    @override
    def below(self, path: str) -> Mapping[str, Stage]:
        return dict(zip(self.mix.paths(self, path), self.parents, strict=True))

    @property
    @override
    def random_access(self) -> bool:
        return True

    @property
    @override
    def lengths_known(self) -> bool:
        return all(parent.lengths_known for parent in self.parents)

    @override
    def shuffle_seeds(self, path: str) -> Mapping[str, int | None]:
        paths = self.mix.paths(self, path)
        return {
            below: seed
            for parent, own in zip(self.parents, paths, strict=True)
            for below, seed in parent.shuffle_seeds(own).items()
        }

    @override
    def open(self, context: OpenContext, catalog: Catalog, path: str) -> MixedDocuments:
        return MixedDocuments(self.mix.open(self, replace(context, first_row=int), catalog, path, join_documents))


@dataclass(frozen=True)
class MixRows(RowStage):
    """Rows of several components.

    Attributes:
        parents: Their rows, in the order of the names.
        mix: Names, weights and stop policy.
    """

    parents: tuple[RowStage, ...]
    mix: MixSettings

    def __post_init__(self) -> None:
        first = asdict(self.parents[0].format)
        for name, parent in zip(self.mix.names, self.parents, strict=True):
            other = asdict(parent.format)
            for setting in first:
                if other[setting] != first[setting]:
                    raise PipelineError(
                        f"mix: components have rows of different formats: {setting} is {first[setting]!r} in "
                        f"{self.mix.names[0]!r}, {other[setting]!r} in {name!r}"
                    )

    @property
    @override
    def name(self) -> str:
        return "mix"

    @override
    def settings(self) -> Settings:
        return self.mix.settings()

    @property
    @override
    def component(self) -> str:
        return "*"

    @override
    def below(self, path: str) -> Mapping[str, Stage]:
        return dict(zip(self.mix.paths(self, path), self.parents, strict=True))

    @property
    @override
    def random_access(self) -> bool:
        return True

    @property
    @override
    def lengths_known(self) -> bool:
        return all(parent.lengths_known for parent in self.parents)

    @property
    @override
    def one_document_a_row(self) -> bool:
        """False: a document's index says nothing without its component."""
        return False

    @property
    @override
    def format(self) -> RowFormat:
        return self.parents[0].format

    @override
    def open(self, context: OpenContext, catalog: Catalog, path: str) -> MixedRows:
        return MixedRows(self.mix.open(self, context, catalog, path, join_rows))

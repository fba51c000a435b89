"""The catalog that stages fill while a pipeline is opened."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from resumable_data.differences import ContentOfFirst
from resumable_data.engines.engine import Resource
from resumable_data.planning.integers import is_mix
from resumable_data.reading.bad_records import BadRecords, LeftOut
from resumable_data.reading.reader import Reader
from resumable_data.state import Description, Settings, StageDescription


@dataclass(frozen=True)
class OpenComponent:
    """A component that has been opened.

    Attributes:
        number: The number of its reader, which plans refer to.
        reader: What reads its documents.
        key: A digest of what decides the lengths of its documents.
    """

    number: int
    reader: Reader
    key: str


@dataclass(frozen=True)
class Catalog:
    """Components, descriptions and algorithms of a pipeline. Stages only add to it.

    Attributes:
        components: The components by path, in the order in which they were opened.
        descriptions: Descriptions of each component's stages, by path.
        sources: What tells the content of the first records of a source that can grow, by component path.
        shared: Descriptions of the stages after a mix.
        algorithms: Versions of the algorithms in use.
        resources: Resources that the iterator closes.
        bad_records: The bad records of components, with their paths.
    """

    components: dict[str, OpenComponent] = field(default_factory=dict[str, OpenComponent])
    descriptions: dict[str, list[StageDescription]] = field(default_factory=dict[str, list[StageDescription]])
    sources: dict[str, ContentOfFirst] = field(default_factory=dict[str, ContentOfFirst])
    shared: list[StageDescription] = field(default_factory=list[StageDescription])
    algorithms: dict[str, int] = field(default_factory=dict[str, int])
    resources: list[Resource] = field(default_factory=list[Resource])
    bad_records: list[tuple[str, BadRecords]] = field(default_factory=list[tuple[str, BadRecords]])

    @property
    def readers(self) -> list[Reader]:
        """The readers of all components, by number."""
        return [component.reader for component in self.components.values()]

    @property
    def numbers(self) -> dict[str, int]:
        """The numbers of the readers, by component path."""
        return {path: component.number for path, component in self.components.items()}

    def keys(self, paths: Collection[str]) -> dict[int, str]:
        """Returns the keys of the components at these paths, by component number."""
        return {component.number: component.key for path, component in self.components.items() if path in paths}

    @property
    def description(self) -> Description:
        """What decides the pipeline's data."""
        components = {path: tuple(stages) for path, stages in self.descriptions.items()}
        return Description(components, tuple(self.shared), dict(self.algorithms), dict(self.sources))

    def left_out(self) -> list[LeftOut]:
        """Returns the bad records left out so far, sorted by component path and number."""
        return sorted(record for path, bad in self.bad_records for record in bad.of(path))

    def add(self, path: str, reader: Reader, key: str) -> int:
        """Adds the component at ``path``, and returns the number of its reader: the next one."""
        self.components[path] = OpenComponent(len(self.components), reader, key)
        return len(self.components) - 1

    def use(self, algorithms: Mapping[str, int]) -> None:
        """Adds the versions of algorithms, by name."""
        self.algorithms.update(algorithms)

    def describe(self, path: str, name: str, settings: Settings) -> None:
        """Adds a stage to the component at ``path``, or to the shared stages if that is a mix.

        Args:
            path: The path of a component or of a mix.
            name: What the stage is called.
            settings: The settings that decide the data. Those that are None are left out.

        >>> catalog = Catalog()
        >>> catalog.describe("web", "repeat", {"epochs": None})
        >>> catalog.describe("*", "batch", {"size": 8})
        >>> catalog.descriptions["web"], catalog.shared
        ([StageDescription(stage='repeat', settings={})], [StageDescription(stage='batch', settings={'size': 8})])
        """
        given = {setting: value for setting, value in settings.items() if value is not None}
        stages = self.shared if is_mix(path) else self.descriptions.setdefault(path, [])
        stages.append(StageDescription(name, given))

from __future__ import annotations

import resumable_data as rd
from resumable_data.stages.catalog import Catalog
from resumable_data.stages.open_context import OpenContext
from resumable_data.state import StageDescription


def component(count: int) -> rd.Dataset[object]:
    return rd.Dataset.from_source(rd.SyntheticSource(count, [3])).shuffle(seed=1)


def mixed() -> rd.Dataset[object]:
    return rd.mix({"web": component(7), "code": component(5)}, weights={"web": 2, "code": 1})


def test_components_are_numbered_as_they_are_opened() -> None:
    catalog = Catalog()
    mixed().node.open(OpenContext(None), catalog, "*")  # type: ignore[union-attr]

    assert catalog.numbers == {"code": 0, "web": 1}
    assert len(catalog.readers) == 2
    assert catalog.readers[1] is catalog.components["web"].reader
    assert catalog.components["web"].key != catalog.components["code"].key
    assert catalog.keys(["web"]) == {1: catalog.components["web"].key}


def test_what_is_opened_is_described_and_its_algorithms_are_known() -> None:
    catalog = Catalog()
    mixed().node.open(OpenContext(None), catalog, "*")  # type: ignore[union-attr]
    description = catalog.description

    assert [stage.stage for stage in description.components["web"]] == ["source", "shuffle"]
    assert [stage.stage for stage in description.shared] == ["mix"]
    assert sorted(description.algorithms) == ["mix", "permutation"]


def test_a_setting_that_is_none_is_left_out() -> None:
    catalog = Catalog()
    catalog.describe("web/*", "mix web", {"stop": None, "weights": 1})

    assert catalog.shared == [StageDescription("mix web", {"weights": 1})]
    assert not catalog.descriptions

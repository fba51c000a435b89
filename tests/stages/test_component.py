import resumable_data as rd


def doubled(document: list[int]) -> list[int]:
    return [2 * token for token in document]


def records() -> rd.Dataset[list[int]]:
    return rd.Dataset.from_source(rd.InMemorySource([[1], [2, 2], [3]], name="corpus"), name="web")


def test_a_chain_is_described_from_its_source_on() -> None:
    chain = records().map(doubled).shuffle(1).append_eod(0).repeat(2)
    stages = iter(chain).description()["components"]["web"]

    assert [stage["stage"] for stage in stages] == ["source", "map", "shuffle", "append_eod", "repeat"]


def test_stages_may_come_in_any_order_but_shuffle_behind_repeat() -> None:
    first = records().map(doubled, preserves_length=True).shuffle(1).append_eod(0).repeat(2)
    second = records().shuffle(1).repeat(2).map(doubled, preserves_length=True).append_eod(0)

    assert [document.tolist() for document in first] == [document.tolist() for document in second]


def test_a_chain_hands_on_what_its_source_knows() -> None:
    chain = records().map(doubled, preserves_length=True).append_eod(0).repeat(3).node

    assert (chain.component, chain.epoch_size, chain.epochs) == ("web", 3, 3)
    assert chain.lengths_known
    assert chain.shuffle_seed is None
    assert "corpus" in chain.reader().name_of(1)
    assert "record 1" in chain.reader().name_of(1)

import pytest

import resumable_data as rd


def test_the_old_spelling_of_a_stop_policy_warns_and_means_the_same() -> None:
    parts = {name: rd.Dataset.from_source(rd.InMemorySource([[1]] * 3), name=name) for name in "ab"}
    with pytest.warns(DeprecationWarning, match="'renormalize'"):
        old = rd.mix(parts, stop="renormalise")  # type: ignore[call-overload]

    assert old == rd.mix(parts, stop="renormalize")

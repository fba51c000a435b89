"""What all tables of misuses share: a call is refused at once, with words that say what is wrong and what to do."""

import signal
from collections.abc import Callable, Iterator

import pytest

import resumable_data as rd

Refused = Callable[[Callable[[], object], str, str], None]


@pytest.fixture
def refused() -> Refused:
    """Checks that a call raises an error of this library, which says what is wrong and what is meant instead."""

    def check(call: Callable[[], object], wrong: str, instead: str) -> None:
        with pytest.raises(rd.ResumableDataError) as raised:
            call()
        message = str(raised.value)
        assert wrong in message
        assert instead in message
        assert len(message) < 600

    return check


@pytest.fixture(autouse=True)
def _no_hang() -> Iterator[None]:
    """A call that hangs fails, instead of holding up all tests."""

    def fail(*_: object) -> None:
        raise TimeoutError("the call hangs")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)

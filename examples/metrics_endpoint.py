"""Demo: a training loop that serves, in Prometheus's text format, whether it waits for data.

It needs only the standard library: ``on_batch`` passes on the stats with each batch, and a small server shows the
latest. The demo trains on synthetic documents, reads its own metrics as a scraper would, checks them, and prints them
with the table of the same stats.

    python examples/metrics_endpoint.py
"""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Self
from urllib.request import urlopen

import jax
import jax.numpy as jnp

import resumable_data as rd

STEPS = 60
PREFIX = "resumable_data"


def as_text(stats: rd.Stats) -> str:
    """Formats the stats for Prometheus.

    The server computes shares: ``rate(resumable_data_waited_seconds_total[5m])`` is the share of time that the
    trainer waited.
    """
    return "".join(_lines(stats))


def _lines(stats: rd.Stats) -> Iterator[str]:
    counters = {"batches": stats.batches, "tokens": stats.tokens, "waited_seconds": stats.waited}
    for name, value in counters.items():
        yield f"# TYPE {PREFIX}_{name}_total counter\n{PREFIX}_{name}_total {value}\n"
    yield f"# TYPE {PREFIX}_loading_seconds_total counter\n"
    for work, seconds in stats.loading.items():
        yield f'{PREFIX}_loading_seconds_total{{work="{work}"}} {seconds}\n'
    yield f"# TYPE {PREFIX}_ready_batches gauge\n{PREFIX}_ready_batches {stats.ready}\n"


class MetricsEndpoint:
    """A server of the latest stats of an iterator at ``/metrics``; a context manager.

    Args:
        iterator: The iterator.
        port: The port to listen at; 0 for a free one.
    """

    def __init__(self, iterator: rd.DataIterator, port: int = 0) -> None:
        self._text = as_text(iterator.stats())
        iterator.on_batch(self._hear)
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(endpoint._text.encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's too
                """Logs nothing for a scrape."""

        self._server = ThreadingHTTPServer(("localhost", port), Handler)
        self._thread = Thread(target=self._server.serve_forever, name="metrics", daemon=True)

    @property
    def url(self) -> str:
        """The address of the metrics."""
        return f"http://localhost:{self._server.server_port}/metrics"

    def _hear(self, stats: rd.Stats) -> None:
        self._text = as_text(stats)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


@jax.jit
def train_step(total: jax.Array, inputs: jax.Array) -> jax.Array:
    """A stand-in for a model."""
    hidden = jax.nn.one_hot(inputs % 64, 64) @ jnp.ones((64, 256))
    return total + jnp.tanh(hidden).sum()


def main() -> None:
    """Trains, scrapes, checks and prints."""
    source = rd.SyntheticSource(20_000, lengths=rd.log_normal_lengths(200))
    data = rd.Dataset.from_source(source).shuffle(seed=1).repeat().pack(1024, eod_id=0).batch(16).prefetch(4)
    total = jnp.zeros(())
    with iter(data) as batches, MetricsEndpoint(batches) as endpoint:
        batches.start()  # It loads while the first step compiles.
        for _ in range(STEPS):
            total = train_step(total, next(batches).inputs).block_until_ready()
        with urlopen(endpoint.url) as answer:
            scraped = answer.read().decode()
        stats = batches.stats()

    print(scraped)
    print(stats)
    assert f"{PREFIX}_batches_total {STEPS}\n" in scraped
    assert f"{PREFIX}_tokens_total {stats.tokens}\n" in scraped
    print("The endpoint agrees with the iterator.")


if __name__ == "__main__":
    main()

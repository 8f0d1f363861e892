"""What the tests of workers share: a server that has imported the libraries, which takes longer than a rendering."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fluxgate.render.pool.workers import Workers


@pytest.fixture(scope="session")
def workers() -> Iterator[Workers]:
    """Workers of this environment, forked; what a test sets of them, it puts back."""
    with Workers() as workers:
        yield workers

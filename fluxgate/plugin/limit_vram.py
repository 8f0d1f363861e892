"""`@pytest.mark.limit_vram`: hold any test, the user's own too, to an amount of GPU memory."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from fluxgate.amounts import amount, parse_amount
from fluxgate.refusal import Refusal


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    marker = item.get_closest_marker("limit_vram")
    if marker is None:
        return (yield)
    limit, cuda = _limit_of(marker), _cuda()
    cuda.reset_peak_memory_stats()
    result = yield
    peak = cuda.max_memory_allocated()
    if peak > limit:
        more = amount(peak - limit)
        sentence = f"limited to {amount(limit)} of GPU memory, but allocated {amount(peak)}: {more} more"
        raise pytest.fail.Exception(sentence, pytrace=False)
    return result


def _limit_of(marker: pytest.Mark) -> int:
    try:
        return parse_amount(*marker.args, name="limit_vram", **marker.kwargs)
    except (Refusal, TypeError) as error:
        raise pytest.fail.Exception(f"@pytest.mark.limit_vram('17 GB'): {error}", pytrace=False) from None


def _cuda() -> Any:
    """torch's view of the GPU, or a skip: a limit that was not measured was not kept."""
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("limit_vram needs a GPU that torch can use")
    return torch.cuda

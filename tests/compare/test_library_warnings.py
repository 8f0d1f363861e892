"""Tests of which warnings are new."""

from __future__ import annotations

import pytest

from fluxgate.compare.library_warnings import new_warnings

OLD = "FutureWarning: `Torch_dtype` at 0x7f00 was read from /tmp/a/model_index.json in 12.5 ms"


@pytest.mark.parametrize(
    ("line", "new"),
    [
        (OLD, False),
        (OLD.replace("0x7f00", "0xbeef").replace("/tmp/a/", "/tmp/b/c/").replace("12.5 ms", "3 ms"), False),
        (OLD.replace("Torch_dtype", "dtype"), True),
        ("UserWarning: falling back to the slower offload", True),
        (f"  {OLD}\n", False),
    ],
)
def test_what_no_two_processes_have_alike_makes_no_warning_new(line: str, new: bool) -> None:
    """Addresses, folders and durations; every other word does."""
    assert new_warnings([OLD], [line]) == ((line,) if new else ())


def test_a_warning_that_is_gone_is_not_new() -> None:
    """And of several, those that are new come in their order."""
    assert new_warnings(["a", "b"], ["d", "a", "c"]) == ("d", "c")
    assert new_warnings(["a"], []) == ()

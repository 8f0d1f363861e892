"""Marks of tests that need a GPU, or that there is none."""

from __future__ import annotations

import pytest

from fluxgate.machine import detect
from fluxgate.refusal import Refusal


def _device() -> str:
    try:
        return detect().device
    except Refusal:
        return "none"


NEEDS_GPU = [pytest.mark.gpu, pytest.mark.skipif(_device() != "cuda", reason="there is no GPU here")]
on_a_cpu = pytest.mark.skipif(_device() == "cuda", reason="this machine has a GPU")

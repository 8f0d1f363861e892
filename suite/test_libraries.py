"""The libraries by themselves, whatever case uses them."""

from __future__ import annotations

from fluxgate.judge.verdict import Verdict
from fluxgate.plugin.verdicts import enforce


def test_bitsandbytes_quantizes_nf4_as_published(nf4_verdict: Verdict) -> None:
    enforce(nf4_verdict)

"""What the conformance tests are given."""

from __future__ import annotations

from fluxgate.plugin.cases import (  # noqa: F401
    case,
    choice,
    fluxgate_session,
    judged,
    nf4_verdict,
    pytest_generate_tests,
    rendered,
    step_seconds,
    verdict,
)

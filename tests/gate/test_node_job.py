"""Tests of what a node is told of a gate."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from fluxgate.gate.node_job import GateJob, from_json, to_json
from fluxgate.gate.settings import Settings
from fluxgate.session.tiers import Tier
from tests.runs.building import MACHINE, STACK, SUBJECT

SETTINGS = Settings(
    ("tiny",), tier=Tier.ALL, strategies=("nf4",), wheelhouse=Path("/wheels"), repeats=3, culprit=False, command="x"
)
JOB = GateJob(
    "a-gate",
    "/runs/gates/a-gate",
    "2026-03-01T12:30:00+00:00",
    MACHINE,
    STACK,
    (SUBJECT,),
    ("diffusers==0.43.0",),
    SETTINGS,
    python=Path("/opt/bin/python"),
    ahead=("tiny-nf4",),
)


def test_a_node_reads_the_job_that_was_sent() -> None:
    """With all that was asked for; a path stays a path."""
    assert from_json(to_json(JOB)) == JOB


@pytest.mark.parametrize("name", ["settings", "machine"])
def test_a_job_without_a_part_is_refused(name: str) -> None:
    """A node does not fill in what a sender has left out."""
    job = msgspec.json.decode(to_json(JOB))
    del job[name]
    with pytest.raises(msgspec.ValidationError, match=name):
        from_json(msgspec.json.encode(job))

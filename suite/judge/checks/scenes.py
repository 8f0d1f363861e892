"""Check of what a picture shows: the things that its prompt asks for, where a subject's pictures can be read."""

from __future__ import annotations

from suite.judge.evidence import Answer, Evidence, unsupported


def scene(evidence: Evidence) -> Answer:
    """What the prompts ask for is found in the pictures."""
    return unsupported("The pictures of this subject are not scenes that can be read.")

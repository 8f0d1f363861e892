"""A listing made by hand, for the tests of the listing."""

from __future__ import annotations

import dataclasses
from typing import Any

from fluxgate.machine import Machine
from fluxgate.report.listing import Listing, listing
from fluxgate.strategies.promise import Strategy
from fluxgate.subjects.subject import Needs, Subject
from tests.runs.building import FULL, MACHINE, STACK, SUBJECT, strategy

CPU = dataclasses.replace(MACHINE, device="cpu")
GROWN = dataclasses.replace(
    SUBJECT, name="grown", about="a large one", needs=Needs(disk=10**9, vram=2 * 10**9, token=True)
)
NEEDS_GPU = "a GPU is needed: it copies to one"


def refusing(name: str, reason: str, *, only: str | None = None, **changes: Any) -> Strategy:
    """A strategy that cannot run, at all or with one subject."""

    def unsupported(subject: Subject, machine: Machine, stack: object) -> str | None:
        return reason if only in (None, subject.name) else None

    return dataclasses.replace(strategy(name, reproduces="full"), unsupported=unsupported, **changes)


STRATEGIES = (
    FULL,
    refusing("stream", NEEDS_GPU, family="offloading", slow=True),
    refusing("other-stream", NEEDS_GPU),
    refusing("double", "it needs twice the memory", only="grown"),
)


def of(machine: Machine = CPU) -> Listing:
    return listing(
        (SUBJECT, GROWN),
        STRATEGIES,
        machine=machine,
        stack=STACK,
        why_not_ready=lambda subject: "it was not grown" if subject is GROWN else None,
    )

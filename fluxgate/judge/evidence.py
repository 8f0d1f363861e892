"""Evidence: all that the checks of one case may look at, gathered before any of them is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from fluxgate.baselines.baseline import Baseline, accepted_facts
from fluxgate.baselines.known_failures import KnownFailure
from fluxgate.baselines.limits import CaseLimits
from fluxgate.cases import Case
from fluxgate.compare.facts import Facts, facts_of
from fluxgate.judge.standards import BaselineUse
from fluxgate.judge.usual_work import KnownWork
from fluxgate.rendering import Rendering
from fluxgate.runs.rendered import Rendered

# Bytes of a GPU that others hold: up to 7 MB were seen in 111 cases that had it to themselves, and 690 MiB and more
# where other programs computed on it.
SHARED_FROM = 256 << 20


@dataclass(frozen=True)
class Evidence:
    """One case, what it gave, and what it is held to. Whatever is None or empty could not be had."""

    case: Case
    rendered: Rendered | None
    once_more: Rendered | None = None  # the case again, where its memory or its seconds were not as accepted
    reference: Rendered | None = None  # of the strategy whose pictures are promised, in the same run
    memory_reference: Rendered | None = None  # of the strategy that it must use less memory than, in the same run
    baseline: Baseline | None = None
    reference_baseline: Baseline | None = None
    float32: Rendered | None = None  # what the same subject gave in float32, where that was rendered in the same run
    float32_baseline: Baseline | None = None
    limits: CaseLimits = field(default_factory=CaseLimits)
    known_failures: Mapping[str, KnownFailure] = field(default_factory=dict)  # check -> the entry in force for it
    baseline_use: BaselineUse = BaselineUse.IF_ANY
    numbers_on_disk: Mapping[str, int] = field(default_factory=dict)  # component -> how many its weight files hold
    # The pace of each phase in earlier runs, and that of a shot's steps under STEP and the shot.
    paces: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    usual_work: KnownWork | None = None  # what the same releases do on another machine of this kind
    run: Path | None = None  # the run's folder, as the user would write it
    machine: str | None = None  # the id of the one that rendered it

    @property
    def gpu(self) -> bool:
        return self.case.device == "cuda"

    @property
    def rendered_here(self) -> Rendered:
        """What the case gave; checks are asked only where it gave something."""
        if self.rendered is None:
            raise LookupError(f"{self.case.id} was not rendered")
        return self.rendered

    @property
    def rendering(self) -> Rendering:
        return self.rendered_here.rendering

    @property
    def at_once(self) -> int:
        """How many cases could share the device of the case or its reference at once; 1 where they are timed."""
        return max(self.rendering.at_once, self.reference.rendering.at_once if self.reference else 1)

    @property
    def gpu_shared(self) -> int | None:
        """Bytes of the GPU that others held beside the case or its reference; None where nobody computed there."""
        both = (self.rendering, *((self.reference.rendering,) if self.reference else ()))
        most = max(one.held_by_others or 0 for one in both)
        return most if most >= SHARED_FROM else None

    @cached_property
    def facts(self) -> Facts:
        """The case's own side of each comparison."""
        return facts_of(self.rendered_here)

    @cached_property
    def reference_facts(self) -> Facts:
        """The reference's side; nothing where there is none."""
        return facts_of(self.reference) if self.reference else Facts()

    @cached_property
    def reference_accepted_facts(self) -> Facts:
        """What was accepted of the reference; nothing where there is none."""
        return accepted_facts(self.reference_baseline) if self.reference_baseline else Facts()

    @cached_property
    def float32_facts(self) -> Facts:
        return facts_of(self.float32) if self.float32 else Facts()

    @cached_property
    def float32_accepted_facts(self) -> Facts:
        return accepted_facts(self.float32_baseline) if self.float32_baseline else Facts()

    @cached_property
    def accepted_facts(self) -> Facts:
        """The baseline's side; nothing where there is none."""
        return accepted_facts(self.baseline) if self.baseline else Facts()

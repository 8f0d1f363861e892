"""Which of the packages that moved is to blame: environments between the two stacks, rendered as far as it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fluxgate.gate.culprit.find import find
from fluxgate.gate.culprit.finding import Finding
from fluxgate.gate.culprit.journal import Journal
from fluxgate.gate.culprit.moves import by_suspicion, groups_of
from fluxgate.gate.culprit.outcomes import FAILED, Result
from fluxgate.gate.environments.consistency import couplings
from fluxgate.gate.environments.installers import Installer
from fluxgate.gate.environments.interpreters import ask
from fluxgate.gate.gate import Gated
from fluxgate.gate.probing import Evidence, Probing
from fluxgate.gate.settings import JOURNAL, STACKS, Report, Settings
from fluxgate.gate.stacks import Stacks
from fluxgate.locks import silent
from fluxgate.rendering import DECODED, FIRST, LAST, MIDDLE, POOLED, T5

# Which packages can move a stage, the one that works there first.
_ENCODING = ("transformers", "tokenizers", "sentencepiece", "bitsandbytes", "accelerate", "huggingface-hub", "torch")
_DENOISING = ("diffusers", "bitsandbytes", "accelerate", "torch", "transformers")
SUSPECTS: Mapping[str, Sequence[str]] = {
    **dict.fromkeys((T5, POOLED), _ENCODING),
    **dict.fromkeys((FIRST, MIDDLE, LAST), _DENOISING),
    DECODED: ("diffusers", "torch", "pillow", "numpy"),
}


def blame(
    gated: Gated, made: Stacks, settings: Settings, *, installer: Installer, report: Report = silent
) -> Finding[Evidence]:
    """Find the culprit of an upgrade that is not safe; what was tried before is not tried again."""
    bad = [outcome for outcome in gated.outcomes if outcome.is_bad]
    stage = next((outcome.stage for outcome in bad if outcome.stage), None)
    together = couplings(ask(made.incumbent.python), ask(made.candidate.python))
    groups = by_suspicion(groups_of(made.moves, closure=together.get), stage=stage, packages=SUSPECTS)
    cases = [outcome.case_id for outcome in bad]
    return find(
        groups,
        probe=Probing(made.incumbent, settings, cases, installer=installer, report=report),
        results=journal(gated, settings, cases=cases, candidate=gated.candidate),
        report=lambda announcement: report(announcement.sentence),
        explains=lambda one, other: set(one) >= set(other),
    )


def journal(gated: Gated, settings: Settings, *, cases: Sequence[str], candidate: object) -> Journal[Evidence]:
    """What was tried before, but for what could not be made: that may have been the day's fault."""
    about = {"stacks": (gated.incumbent, candidate), "machine": gated.machine.id, "cases": cases}
    kept = Journal(settings.runs / STACKS / JOURNAL, about=about, kind=Result[Evidence])
    kept.forget(FAILED)
    return kept

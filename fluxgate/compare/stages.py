"""The first stage at which a case left what it is held against, and the library that works there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fluxgate.rendering import DECODED, POOLED, STAGES, T5, Component, Fingerprint, Rendering
from fluxgate.subjects.subject import Subject

Prints = Mapping[str, Fingerprint]  # stage -> fingerprint

FINISHED = "finished picture"  # what the pipeline makes of the decoded one; it has no fingerprint but its own pixels


@dataclass(frozen=True)
class Departure:
    """Where two renderings of one shot part, and by whose doing, most likely."""

    stage: str
    step: int | None
    suspects: str
    reshaped: bool = False  # it is of another size there, which no rounding makes

    @property
    def sentence(self) -> str:
        return f"It first differs at {self.place}: most likely {self.suspects}."

    @property
    def place(self) -> str:
        named = self.stage if self.step is None else f"{self.stage} (step {self.step})"
        return named if self.stage in (T5, POOLED) else f"the {named}"


def departure(
    expected: Prints,
    actual: Prints,
    *,
    subject: Subject,
    rendering: Rendering,
    moved: bool = False,
    cleared: bool = False,
) -> Departure | None:
    """The first stage in which they differ, or that was expected and passed over; None where no stage tells.

    moved: whether the finished pictures differ. cleared: the hooks are known to move weights rightly."""
    theirs, ours = first_difference(expected, actual) or (None, None)
    gone = _passed_over(expected, actual)
    if gone is not None and (ours is None or STAGES.index(gone.stage) < STAGES.index(ours.stage)):
        told = suspects(gone.stage, subject=subject, rendering=rendering, cleared=cleared)
        return Departure(gone.stage, gone.step, told)
    if theirs is not None and ours is not None:
        reshaped = theirs.shape != ours.shape
        told = suspects(ours.stage, subject=subject, rendering=rendering, reshaped=reshaped, cleared=cleared)
        return Departure(ours.stage, ours.step, told, reshaped)
    if moved and DECODED in expected and DECODED in actual:
        return Departure(FINISHED, None, "diffusers' image processor or the order that it gives pictures in")
    return None


def _passed_over(expected: Prints, actual: Prints) -> Fingerprint | None:
    """The first stage that was due and did not come, though a later one did: a loop that ends early has no last."""
    for number, stage in enumerate(STAGES):
        if stage in expected and stage not in actual and any(later in actual for later in STAGES[number:]):
            return expected[stage]
    return None


def first_difference(expected: Prints, actual: Prints) -> tuple[Fingerprint, Fingerprint] | None:
    """What was expected of the first stage that both know and in which they differ, and what it was."""
    both = ((expected[stage], actual[stage]) for stage in STAGES if stage in expected and stage in actual)
    return next(((theirs, ours) for theirs, ours in both if theirs.sha256 != ours.sha256), None)


def accepted_prints(fingerprints: Iterable[Fingerprint], shot: str) -> dict[str, Fingerprint]:
    """The accepted fingerprints of one shot, by stage."""
    return {entry.stage: entry for entry in fingerprints if entry.shot == shot}


def suspects(
    stage: str, *, subject: Subject, rendering: Rendering, reshaped: bool = False, cleared: bool = False
) -> str:
    """The libraries at work in a stage, the one that owns it first; how long embeddings are is the pipeline's choice.

    cleared: its hooks are not among them."""
    component = _component(stage, subject=subject, rendering=rendering)
    names = [*(["diffusers"] if reshaped and stage in (T5, POOLED) else []), *_owners(stage)]
    if component is not None and component.quantized_bytes:
        names.append("bitsandbytes" if _is_bitsandbytes(component) else "the quantizing library")
    if component is not None and any(component.hooks.values()) and not cleared:
        names.append("the hooks that move its weights (" + ", ".join(sorted(component.hooks)) + ")")
    return " or ".join(names)


def _owners(stage: str) -> list[str]:
    if stage in (T5, POOLED):
        return ["transformers", "tokenizers"]
    return ["diffusers' VAE", "torch"] if stage == DECODED else ["diffusers"]


def _component(stage: str, *, subject: Subject, rendering: Rendering) -> Component | None:
    """The component that a stage comes out of."""
    if rendering.inventory is None:
        return None
    encoders = subject.encoders or ("",)
    name = {T5: encoders[-1], POOLED: encoders[0], DECODED: "vae"}.get(stage, subject.denoiser)
    return rendering.inventory.components.get(name)


def _is_bitsandbytes(component: Component) -> bool:
    return any(
        name.startswith(("Linear4bit", "Linear8bit", "LinearNF4", "LinearFP4")) for name in component.module_classes
    )

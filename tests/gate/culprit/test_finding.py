"""Tests of findings in words."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from fluxgate.gate.culprit.finding import Culprit, Finding, Kind, sentence
from fluxgate.report.gate_result import Move

TRANSFORMERS = Move("transformers", "4.56.2", "4.57.0")
TOKENIZERS = Move("tokenizers", "0.22.0", "0.22.2")
ACCELERATE = Move("accelerate", "1.13.0", "1.14.0")
BITSANDBYTES = Move("bitsandbytes", "0.49.2", "0.50.0")
FAILS = ("The incumbent with transformers 4.56.2 → 4.57.0 cannot be resolved.",)


def finding_of(kind: Kind, *culprits: Culprit[str], held_back: tuple[Move, ...] | None = None) -> Finding[str]:
    finding = Finding(kind, culprits)
    return Finding(kind, culprits, held_back=finding.moves if held_back is None else held_back)


def culprit(*moves: Move, along: tuple[Move, ...] = ()) -> Culprit[str]:
    return Culprit(tuple((move,) for move in moves), along, "T5 embeddings")


@pytest.mark.parametrize(
    "finding, text",
    [
        (
            finding_of(Kind.SINGLE, culprit(TRANSFORMERS)),
            "The culprit is transformers 4.56.2 → 4.57.0: "
            "the incumbent fails with it alone, and the candidate passes without it.",
        ),
        (
            finding_of(Kind.SINGLE, Culprit(((TRANSFORMERS, TOKENIZERS),))),
            "The culprit is most likely transformers 4.56.2 → 4.57.0 (which only moves together with tokenizers 0.22.0 "
            "→ 0.22.2): the incumbent fails with them alone, and the candidate passes without them.",
        ),
        (
            replace(finding_of(Kind.SINGLE, Culprit(((TRANSFORMERS, TOKENIZERS),))), everything=True),
            "The culprit is most likely transformers 4.56.2 → 4.57.0 (which only moves together with tokenizers 0.22.0 "
            "→ 0.22.2): nothing else moved, and none of them can be tried alone.",
        ),
        (
            finding_of(Kind.SINGLE, culprit(TRANSFORMERS, along=(TOKENIZERS,))),
            "The culprit is transformers 4.56.2 → 4.57.0, which needs tokenizers 0.22.0 → 0.22.2: "
            "the incumbent fails with them, but not with tokenizers alone, "
            "and the candidate passes without transformers.",
        ),
        (
            finding_of(Kind.INTERACTION, culprit(ACCELERATE, BITSANDBYTES)),
            "The culprit is accelerate 1.13.0 → 1.14.0 together with bitsandbytes 0.49.2 → 0.50.0: "
            "the incumbent fails with both and passes with either alone, and the candidate passes without them.",
        ),
        (
            finding_of(Kind.INTERACTION, culprit(ACCELERATE, BITSANDBYTES, TRANSFORMERS), held_back=(ACCELERATE,)),
            "The culprit is accelerate 1.13.0 → 1.14.0 together with bitsandbytes 0.49.2 → 0.50.0 "
            "together with transformers 4.56.2 → 4.57.0: the incumbent fails with all of them and passes when any one "
            "stays back, and the candidate passes without accelerate.",
        ),
        (
            finding_of(Kind.SEVERAL, culprit(TRANSFORMERS), culprit(ACCELERATE, BITSANDBYTES)),
            "There are two culprits: transformers 4.56.2 → 4.57.0; and accelerate 1.13.0 → 1.14.0 together with "
            "bitsandbytes 0.49.2 → 0.50.0. The incumbent fails with either, and the candidate passes without them.",
        ),
        (
            Finding(Kind.NOT_SEPARABLE, suspects=(TRANSFORMERS, TOKENIZERS), unresolved=FAILS),
            "The culprit is among transformers 4.56.2 → 4.57.0 and tokenizers 0.22.0 → 0.22.2, "
            "which cannot be told apart. The incumbent with transformers 4.56.2 → 4.57.0 cannot be resolved.",
        ),
        (
            Finding(
                Kind.NOT_SEPARABLE,
                (culprit(TRANSFORMERS),),
                held_back=(TRANSFORMERS, TOKENIZERS),
                unresolved=("The candidate without transformers 4.56.2 → 4.57.0 cannot be resolved.",),
            ),
            "The culprit is most likely transformers 4.56.2 → 4.57.0, with which the incumbent fails. "
            "The candidate passes without transformers and tokenizers. "
            "The candidate without transformers 4.56.2 → 4.57.0 cannot be resolved.",
        ),
        (
            Finding(Kind.NOT_SEPARABLE, (culprit(ACCELERATE),), (TRANSFORMERS, TOKENIZERS), unresolved=FAILS),
            "The culprit is most likely accelerate 1.13.0 → 1.14.0, with which the incumbent fails. "
            "Another is among transformers 4.56.2 → 4.57.0 and tokenizers 0.22.0 → 0.22.2, "
            "which cannot be told apart. The incumbent with transformers 4.56.2 → 4.57.0 cannot be resolved.",
        ),
        (
            Finding(Kind.CANNOT_TELL, unresolved=("The incumbent fails.",)),
            "The culprit cannot be named. The incumbent fails.",
        ),
        (
            Finding(Kind.CANNOT_TELL, suspects=(ACCELERATE,), unresolved=("No more environments may be tried.",)),
            "The culprit cannot be named. No more environments may be tried. Suspects: accelerate 1.13.0 → 1.14.0.",
        ),
        (Finding[str](Kind.NONE), "There is no culprit: the candidate passes."),
    ],
)
def test_a_finding_is_said_in_a_sentence(finding: Finding[str], text: str) -> None:
    """Who did it, with versions, and how that is known."""
    assert sentence(finding) == text


def test_every_kind_has_its_sentence() -> None:
    """Proven or not."""
    for kind in Kind:
        assert sentence(finding_of(kind, culprit(TRANSFORMERS), culprit(ACCELERATE))).endswith(".")


def test_who_is_blamed_twice_is_named_once() -> None:
    """A culprit may be part of a second one."""
    assert finding_of(Kind.SEVERAL, culprit(TRANSFORMERS), culprit(TRANSFORMERS, ACCELERATE)).moves == (
        TRANSFORMERS,
        ACCELERATE,
    )


def test_a_finding_can_be_written_and_read() -> None:
    """As JSON, with the evidence of whoever asked."""
    finding = finding_of(Kind.SINGLE, culprit(TRANSFORMERS, along=(TOKENIZERS,)))
    assert msgspec.json.decode(msgspec.json.encode(finding), type=Finding[str]) == finding

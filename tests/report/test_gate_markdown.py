"""Tests of a gate's report as Markdown."""

from __future__ import annotations

from dataclasses import replace

from fluxgate.report.gate_markdown import gate_markdown
from fluxgate.report.gate_result import Move, Unasked, Way
from tests.report import gates

RESULT = gates.full_result("20261126-gate", runs={})


def test_it_begins_with_the_decision_and_the_culprit() -> None:
    """Then the pin, as it is pasted; the bad cases are the first of the table."""
    text = gate_markdown(RESULT)
    blocks = text.split("\n\n")
    assert blocks[0] == "# Fluxgate: Not safe"
    assert "```\ntransformers==4.49.0\n```" in blocks
    rows = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| tiny-")]
    assert rows == ["| tiny-offload", "| tiny-broken", "| tiny-full", "| tiny-nf4"]
    assert "| transformers | 4.49.0 | 4.50.0 | culprit |" in text


def test_hostile_text_stays_text() -> None:
    """No name ends the block of pins, opens a table or becomes HTML."""
    word = "```\n|x|\n<script>"
    culprit = replace(gates.CULPRIT, sentence=word, pin=(word,), packages=(Move(word, None, word),))
    hostile = replace(RESULT, sentence=word, culprit=culprit, moves=culprit.packages, next=word, contrasts=(word,))
    text = gate_markdown(replace(hostile, next_command=word))
    assert text.count("```") == 4
    assert "\n|x|" not in text
    assert "<script>" not in "".join(text.split("```")[::2])


def test_what_to_run_next_can_be_pasted() -> None:
    """As it is typed, in a block of its own."""
    command = "fluxgate accept runs/gates/it_is --because '…'"
    text = gate_markdown(replace(RESULT, next=f"Upgrade: {command}", next_command=command))
    assert f"\n\nUpgrade.\n\n```\n{command}\n```\n" in text


def test_a_gate_without_a_culprit_says_nothing_of_one() -> None:
    """Nor has it a pin."""
    text = gate_markdown(replace(RESULT, culprit=None))
    assert "```" not in text
    assert "culprit" not in text.lower()


def test_what_nobody_asked_for_is_told_in_the_table() -> None:
    """With the reason; of the culprit also in words."""
    unasked = (Unasked("transformers", Way.OLDER, "accelerate 1.10.1 depends on transformers<4.50"),)
    text = gate_markdown(replace(RESULT, unasked=unasked))
    assert "accelerate 1.10.1 depends on transformers" in text.split("\n\n")[3]
    assert "| culprit; came along, older: accelerate 1.10.1 depends on transformers" in text
    assert "| accelerate | 1.10.0 | 1.10.1 |  |" in text

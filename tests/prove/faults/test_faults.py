"""The registry of faults: names, what they may say, and that each can be made in the libraries that are installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from fluxgate.compare.stages import FINISHED
from fluxgate.files import is_name
from fluxgate.prove.fault import Edit
from fluxgate.prove.faults import FAULTS, fault_named
from fluxgate.refusal import Refusal
from fluxgate.rendering import STAGES
from fluxgate.strategies import STRATEGIES
from fluxgate.subjects.catalogue import subjects

APPLY = """
import os, sys
import torch, diffusers, transformers, bitsandbytes
from diffusers import FluxPipeline
from transformers import T5EncoderModel, CLIPTextModel, T5TokenizerFast
from fluxgate.prove.faults import FAULTS
from fluxgate.prove.patching import apply
for fault in FAULTS:
    if os.fork() == 0:
        try:
            apply(fault.patch, lambda value: value)
        except BaseException as error:
            print(f"BAD {fault.name}: {error}", flush=True)
        os._exit(0)
    os.wait()
print("DONE")
"""


def test_there_are_enough_faults_of_every_kind() -> None:
    """At least eighty can be seen, in every part of a pipeline, and each has a name of its own."""
    assert len([fault for fault in FAULTS if fault.equivalent is None and not fault.only_time]) >= 80
    assert [name for name, times in Counter(fault.name for fault in FAULTS).items() if times > 1] == []
    assert {fault.stage for fault in FAULTS} >= {*STAGES, FINISHED, None} - {"latents after the middle step"}


def test_a_fault_names_what_there_is() -> None:
    """Strategies, shots and stages are those of Fluxgate, and an edit counts itself."""
    shots = {shot.name for shot in subjects()["miniature"].shots}
    strategies = {strategy.name for strategy in STRATEGIES}
    for one in FAULTS:
        assert is_name(one.name), one.name
        assert strategies >= set(one.strategies), one.name
        assert shots >= set(one.shots), one.name
        assert one.stage in (*STAGES, FINISHED, None), one.name
        assert all((one.about, one.like, one.packages)), one.name
        assert not isinstance(one.patch, Edit) or "FIRED(" in one.patch.new, one.name


@pytest.mark.long
def test_every_fault_can_be_made_here() -> None:
    """The places that faults change are there in the installed libraries."""
    done = subprocess.run([sys.executable, "-c", APPLY], capture_output=True, text=True, env=os.environ, check=False)
    assert re.findall("BAD .*", done.stdout) == []
    assert "DONE" in done.stdout, done.stderr[-2000:]


def test_no_other_fault_is_made() -> None:
    """The registry is closed: a name from outside is refused."""
    with pytest.raises(Refusal, match="no fault"):
        fault_named("os.system")


def test_the_document_has_every_fault() -> None:
    """docs/faults.md was made from today's faults."""
    text = (Path(__file__).parents[3] / "docs/faults.md").read_text()
    assert [fault.name for fault in FAULTS if f"`{fault.name}`" not in text] == []

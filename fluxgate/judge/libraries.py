"""What a run says of libraries by themselves, whatever case uses them: that they can be imported, and NF4's rules."""

from __future__ import annotations

from collections.abc import Iterator

from fluxgate.judge import nf4
from fluxgate.judge.verdict import CRASHED, IMPORTS, Verdict
from fluxgate.render.nf4 import Nf4Facts
from fluxgate.rendering import Crash
from fluxgate.runs.run import Run

IMPORT_CRASH = "import-crash.json"  # within the run
DEVICES = ("cpu", "cuda")


def facts_file(device: str) -> str:
    """Where a run has what was measured of NF4 on a device."""
    return f"nf4-{device}.json"


def verdicts_in(run: Run) -> Iterator[Verdict]:
    """The verdicts on what the run has of libraries."""
    if (run.folder / IMPORT_CRASH).exists():
        yield not_imported(run.read_json(IMPORT_CRASH, Crash))
    for device in DEVICES:
        if (run.folder / facts_file(device)).exists():
            yield nf4.verdict_on(run.read_json(facts_file(device), Nf4Facts))


def not_imported(crash: Crash) -> Verdict:
    """One verdict for the session: nothing can be rendered with libraries that cannot be imported."""
    return Verdict("libraries", "imports", IMPORTS, CRASHED, f"Nothing can be rendered: {crash.sentence.rstrip('.')}.")

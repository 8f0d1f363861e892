"""`fluxgate accept`: make a run the baseline for later ones."""

from __future__ import annotations

import datetime
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from tempfile import TemporaryDirectory

from fluxgate.baselines import accepting, integrity
from fluxgate.baselines.changes import Plan
from fluxgate.baselines.planning import Request, plan
from fluxgate.baselines.remote import Remote
from fluxgate.baselines.store import PORTABLE, Store
from fluxgate.cases import matrix
from fluxgate.cli.finding import ANY_NAMED, find
from fluxgate.cli.shared import NOTHING, add_baselines_option, add_runs_option, refuse_address, say
from fluxgate.gate.accepting import lines_of, moved_pins, refuse_left_out, refuse_partial
from fluxgate.judge.standards import known_failures_of
from fluxgate.machine import detect, stack
from fluxgate.options import address_of
from fluxgate.refusal import Refusal
from fluxgate.report.gate_folder import is_gate, read_gate_result, run_of
from fluxgate.report.gate_result import CANDIDATE, GateResult
from fluxgate.report.html.approvals import approved_cases
from fluxgate.runs import run as runs
from fluxgate.runs.run import Run
from fluxgate.strategies.available import strategies
from fluxgate.subjects.catalogue import subjects

PINS = Path("requirements/known-good.txt")
UNCHANGED, UNTOUCHED = "Nothing changes.", "Nothing was written."


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", metavar="RUN|GATE", help=ANY_NAMED)
    add_runs_option(parser)
    add_baselines_option(parser)
    parser.add_argument("--because", default="", metavar="REASON", help="why this is right")
    parser.add_argument("--yes", action="store_true", help="write without asking, after showing what changes")
    parser.add_argument("--dry-run", action="store_true", help="show what would change, and write nothing")
    parser.add_argument(
        "--only",
        default="*",
        metavar="PATTERN",
        help="only cases with such names, like miniature-nf4* (default: all of a finished run)",
    )
    parser.add_argument(
        "--approved", type=Path, metavar="FILE", help="only what was approved on a page, as its approvals.json says"
    )
    about = "for a gate: the file whose pins move with the baselines (default: %(default)s)"
    parser.add_argument("--pins", type=Path, default=PINS, metavar="FILE", help=about)
    parser.add_argument("--portable", action="store_true", help="as the pictures that every machine is compared with")
    parser.add_argument("--tighten", action="store_true", help="lower ceilings to what this run measured")
    parser.add_argument(
        "--keep-pictures", action="store_true", help="keep the pictures accepted so far as right, beside the new ones"
    )
    parser.add_argument(
        "--prune", action="store_true", help="remove baselines that no case uses, and those of an older recipe"
    )


def act(arguments: Namespace) -> int:
    """Make the pictures, facts and limits of a run the baseline that later runs are held to."""
    if arguments.prune:
        return _prune(arguments)
    if arguments.run is None:
        raise Refusal("Name the run to accept: fluxgate accept RUN.")
    folder = find(arguments.run, runs_folder=arguments.runs)
    _refuse_without_reason(arguments, explained=arguments.approved is not None)
    address = address_of(arguments.baselines)
    if address is not None:
        return _accept_elsewhere(folder, arguments, address)
    return _accept(folder, arguments, root=arguments.baselines)


def _accept_elsewhere(folder: Path, arguments: Namespace, address: str) -> int:
    """Accept into a copy of what a store elsewhere has of the machine, and then put all of that in its place."""
    if is_gate(folder):
        raise Refusal(f"A gate moves pins and baselines together, which {address} cannot; accept the candidate's run.")
    machine = PORTABLE if arguments.portable else runs.open_run(folder).machine.id
    with TemporaryDirectory(prefix="fluxgate-accept-") as scratch:
        remote = Remote(address)
        pointer = remote.pointer()
        for place in dict.fromkeys((machine, PORTABLE)):
            remote.fetch(remote.listing(pointer, place).files, Path(scratch) / place)
        code = _accept(folder, arguments, root=Path(scratch))
        if remote.publish(machine, Path(scratch) / machine, over=pointer) != pointer:
            say(f"It holds in {address} now.")
    return code


def _accept(folder: Path, arguments: Namespace, *, root: Path) -> int:
    """Accept a run, or of a gate the candidate's run and its pins, after showing what changes."""
    gate = read_gate_result(folder) if is_gate(folder) else None
    pins = moved_pins(gate, arguments.pins) if gate else None
    changes = _plan(_candidate(gate, folder, root=root) if gate else runs.open_run(folder), arguments, root=root)
    if gate:
        refuse_left_out(gate, {case.case_id for case in changes.cases})
    for line in (*changes.lines(), *(lines_of(pins) if pins else ())):
        say(line)
    changes_anything = changes.changes_anything or (pins is not None and pins.before != pins.after)
    if not changes_anything or arguments.dry_run:
        say(UNTOUCHED if changes_anything else UNCHANGED)
        return 0
    _refuse_without_reason(arguments, explained=changes.explained)
    _refuse_without_terminal(arguments)
    for path in accepting.draw(changes):
        say(f"old, new and difference: {path}")
    reason = _confirmed_reason(arguments, needed=not changes.explained)
    if reason is None:
        say(UNTOUCHED)
        return NOTHING
    now = datetime.datetime.now(datetime.UTC)
    accepting.write(changes, accepting.acceptance(changes.run, because=reason, by=accepting.who(), at=now), file=pins)
    say(f"Accepted into {changes.root / changes.machine}{f' and {pins.path}' if pins else ''}.")
    return 0


def _candidate(result: GateResult, gate: Path, *, root: Path) -> Run:
    """The candidate's run, unless accepted cases that may have moved with it were not rendered."""
    run = run_of(result, CANDIDATE, gate=gate)
    assert run is not None, "moved_pins refuses a gate whose candidate was not rendered"
    refuse_partial(result, Store(root).cases_of(run.machine.id))
    return run


def _plan(run: Run, arguments: Namespace, *, root: Path) -> Plan:
    catalogue = subjects()
    cases = matrix(catalogue.values(), strategies(), machine=run.machine, stack=run.stack)
    return plan(
        run,
        Request(
            only=arguments.only,
            portable=arguments.portable,
            tighten=arguments.tighten,
            keep_pictures=arguments.keep_pictures,
            approved=approved_cases(arguments.approved, run) if arguments.approved else None,
        ),
        root=root,
        cases={case.id: case for case in cases},
        known_failures=known_failures_of(Store.at(root), subjects=catalogue),
    )


def _prune(arguments: Namespace) -> int:
    """Remove the baselines that no case uses and those of another recipe."""
    refuse_address(arguments.baselines)
    catalogue, root = subjects(), arguments.baselines
    cases = {case.id for case in matrix(catalogue.values(), strategies(), machine=detect(), stack=stack())}
    unused = integrity.unused(root, cases=cases, subjects=catalogue)
    for entry, why in unused.items():
        say(f"{entry.machine}: {entry.case_id} goes: {why}")
    if not unused or arguments.dry_run:
        say(UNTOUCHED if unused else UNCHANGED)
        return 0
    _refuse_without_terminal(arguments)
    if not arguments.yes and not _agreed("Remove them?"):
        say(UNTOUCHED)
        return NOTHING
    accepting.remove(root, unused)
    say(f"Removed from {root}.")
    return 0


def _refuse_without_reason(arguments: Namespace, *, explained: bool) -> None:
    """Refuse what nobody will be asked about and nobody has given a reason for."""
    if arguments.yes and not arguments.dry_run and not arguments.because.strip() and not explained:
        raise Refusal('Say why this is right: --because "…".')


def _refuse_without_terminal(arguments: Namespace) -> None:
    """Refuse what nobody can be asked about."""
    if not arguments.yes and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Refusal("Nothing was written, since there is no terminal to ask on: add --yes.")


def _confirmed_reason(arguments: Namespace, *, needed: bool) -> str | None:
    """Why this is right, once the person has agreed; None if they have not. It is not needed where notes say it."""
    reason: str = arguments.because.strip()
    if needed and not reason:
        return _answer("Why is this right? (An empty line accepts nothing.) ") or None
    return reason if arguments.yes or _agreed("Accept this?") else None


def _agreed(question: str) -> bool:
    return _answer(f"{question} [y/N] ").lower() in ("y", "yes")


def _answer(question: str) -> str:
    try:
        return input(question).strip()
    except EOFError:
        return ""

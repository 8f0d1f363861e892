"""`fluxgate prove`: put faults into the libraries, and see that each is caught."""

from __future__ import annotations

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from fluxgate.cli.shared import RED, say
from fluxgate.files import write_plain, write_whole
from fluxgate.options import chosen
from fluxgate.prove import words
from fluxgate.prove.bench import bench
from fluxgate.prove.fault import Fault
from fluxgate.prove.faults import FAULTS, fault_named
from fluxgate.prove.outcome import UNCLEAN, Outcome, With, rates
from fluxgate.prove.proving import known, prove
from fluxgate.refusal import Refusal

RESULT = "result.json"
OUTPUT = Path("runs/prove")
BEGIN, END = "<!-- made by fluxgate prove: begin -->", "<!-- made by fluxgate prove: end -->"


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("fault", nargs="*", metavar="FAULT", help="the faults to prove (default: all)")
    parser.add_argument(
        "--with",
        dest="held_to",
        choices=[one.value for one in With],
        action="append",
        help="what faulty runs are held to (default: each of them)",
    )
    parser.add_argument("--list", action="store_true", help="list the faults and render nothing")
    parser.add_argument(
        "--part", metavar="I/N", default="1/1", help="only every Nth fault, from the Ith on (default: %(default)s)"
    )
    parser.add_argument("--again", action="store_true", help="prove again the faults that already have an outcome")
    parser.add_argument("--known", action="store_true", help="prove nothing; report the outcomes in this folder")
    parser.add_argument("--keep", action="store_true", help="keep what was rendered")
    parser.add_argument("--table", type=Path, metavar="FILE", help="write the table between the marks in this document")
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", default=OUTPUT, help="where outcomes are kept (default: %(default)s)"
    )
    parser.add_argument(
        "--beside",
        type=Path,
        metavar="FOLDER",
        action="append",
        default=[],
        help="with --known: the output of another machine, or more faults of the same one",
    )


def act(arguments: Namespace) -> int:
    """Put faults into the libraries, one at a time, and report which check catches each."""
    every = [fault.name for fault in FAULTS]
    names = chosen(arguments.fault or every, among=every, option="FAULT", listing="fluxgate prove --list")
    first, step = _part(arguments.part)
    faults = [fault_named(name) for name in names][first::step]
    if arguments.list:
        for fault in faults:
            say(f"{fault.name}: {fault.about} ({', '.join(fault.packages)})")
        return 0
    held_to = tuple(one for one in With if arguments.held_to is None or one.value in arguments.held_to)
    folders = (arguments.output, *arguments.beside)
    pairs = _known(faults, folders) if arguments.known else _proved(faults, arguments, held_to)
    write_plain(arguments.output / RESULT, {"rates": rates(pairs), "outcomes": [outcome for _, outcome in pairs]})
    if arguments.table:
        proved = {fault.name for fault, _ in pairs}
        _write_table(arguments.table, pairs, unproved=[name for name in names if name not in proved])
    for (machine, _), own in words.by_machine(pairs).items():
        say(f"on {machine}:")
        for line in words.summary(own):
            say(line)
    rate = rates(pairs)
    caught = rate.caught[With.BASELINE.value]
    unclean = any(outcome.status == UNCLEAN for _, outcome in pairs)
    return RED if unclean or rate.alarms or (With.BASELINE in held_to and caught.part < caught.whole) else 0


def _known(faults: list[Fault], folders: Sequence[Path]) -> list[tuple[Fault, Outcome]]:
    """What the folders have outcomes of; of one machine, what a later folder has of a fault counts."""
    latest = {
        (outcome.machine, str(sorted(outcome.stack.items())), fault.name): (fault, outcome)
        for folder in folders
        for fault, outcome in known(faults, folder)
    }
    place = {fault.name: number for number, fault in enumerate(faults)}
    return sorted(latest.values(), key=lambda pair: place[pair[0].name])


def _proved(faults: list[Fault], arguments: Namespace, held_to: tuple[With, ...]) -> list[tuple[Fault, Outcome]]:
    pairs = []
    with bench(arguments.output, report=say, held_to=held_to, keep=arguments.keep) as on:
        for number, fault in enumerate(faults, start=1):
            outcome = prove(fault, on, again=arguments.again)
            pairs.append((fault, outcome))
            say(f"{number}/{len(faults)} {words.line(fault, outcome)} ({outcome.seconds:.0f} s)")
    return pairs


def _part(text: str) -> tuple[int, int]:
    """Where to begin and how far to step: `2/3` is (1, 3)."""
    match = re.fullmatch(r"(\d{1,3})/(\d{1,3})", text)
    if match is None or not 0 < int(match[1]) <= int(match[2]):
        raise Refusal(f"--part {text} is not like 1/3.")
    return int(match[1]) - 1, int(match[2])


def _write_table(path: Path, pairs: words.Pairs, *, unproved: Sequence[str] = ()) -> None:
    """Put the table between the two marks of a document; the words around it stay."""
    text = path.read_text(encoding="utf-8") if path.exists() else f"{BEGIN}\n{END}\n"
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise Refusal(f"{path} has no place for the table: it needs the lines {BEGIN} and {END}.")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    lines = "\n".join([*words.table(pairs), *words.not_proved(unproved)])
    write_whole(path, f"{before}{BEGIN}\n\n{lines}\n\n{END}{after}".encode())

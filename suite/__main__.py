"""The command line: `python -m suite VERB`, each verb a thin function over what the other modules do."""

from __future__ import annotations

import argparse
import datetime
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

import msgspec

from suite import kept
from suite.amounts import amount
from suite.calibration import calibrate, drifting, portability
from suite.calibration.variations import Extent
from suite.cases import Case, matrix
from suite.files import write_whole
from suite.judge.evidence import Rendered
from suite.judge.published import Findings, findings
from suite.judge.run import cases_of, judge_run
from suite.judge.verdict import NOT_SELECTED, Verdict
from suite.machine import detect, memory_limit, outside_support, stack
from suite.options import chosen, memory, seconds, whole_number
from suite.refusal import USAGE, Refusal
from suite.render.workers import SPAWN, Workers
from suite.rendering import Rendering
from suite.report.advice import advice, advise
from suite.report.cards import cards as cards_of
from suite.report.cards import trials
from suite.report.data import as_json, report
from suite.report.markdown import markdown
from suite.report.summary import measured_anything, red
from suite.report.terminal import terminal
from suite.store import accepting, history, runs
from suite.store.planning import Request
from suite.store.runs import Run
from suite.strategies import STRATEGIES
from suite.subjects.catalogue import subjects
from suite.subjects.miniature import growth
from suite.subjects.sources import MINIATURE, cached, locate, ready
from suite.subjects.subject import Subject
from suite.workshop import CASE_TIMEOUT, Workshop

RED, NOTHING, INTERRUPTED, CLOSED = 1, 5, 130, 141  # exit codes, beside 0 and a refusal's own
NAMES = tuple(strategy.name for strategy in STRATEGIES)

Arguments = argparse.Namespace
Verb = Callable[[Arguments], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; whatever the user must change is told in one sentence."""
    parser = command_line()
    try:
        asked = parser.parse_args(arguments)
        if asked.verb is None:
            parser.print_help()
            return USAGE
        code: int = asked.verb(asked)
        sys.stdout.flush()
        return code
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return refusal.exit_code
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # somebody reads no further: `python -m suite list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are refusals, as everybody else's are."""

    def error(self, message: str) -> NoReturn:
        raise Refusal(f"{message[:1].upper()}{message[1:]}; see {self.prog} --help.")


def command_line() -> Parser:
    """The verbs with their options."""
    parser = Parser(prog="python -m suite", description="The same pictures under every memory strategy.")
    parser.set_defaults(verb=None)
    verbs = parser.add_subparsers(title="verbs", metavar="VERB")

    def verb(name: str, act: Verb) -> argparse.ArgumentParser:
        about = (act.__doc__ or "").strip()
        added = verbs.add_parser(name, help=about[:1].lower() + about[1:].rstrip("."), description=about)
        added.set_defaults(verb=act)
        return added

    verb("list", list_all).add_argument("--json", action="store_true", help="for programs")
    verb("grow", grow).add_argument("folder", nargs="?", type=Path, help="default: in the user's cache")
    _rendering_options(verb("render", render))
    _judging_options(verb("judge", judge))
    _reporting_options(verb("report", tell))
    _advising_options(verb("advise", rank))
    _accepting_options(verb("accept", accept))
    _calibrating_options(verb("calibrate", calibrate_all))
    return parser


# The options, and what is read from them


def _choosing_options(parser: argparse.ArgumentParser) -> None:
    names = {"action": "append", "default": [], "metavar": "NAME[,NAME]"}
    parser.add_argument("--subject", **names, help="default: miniature")  # type: ignore[arg-type]
    parser.add_argument("--strategy", **names, help="default: all")  # type: ignore[arg-type]
    parser.add_argument("--case-timeout", default=f"{CASE_TIMEOUT:.0f}", metavar="SECONDS", help="default: %(default)s")
    _runs_option(parser)


def _rendering_options(parser: argparse.ArgumentParser) -> None:
    _choosing_options(parser)
    parser.add_argument("--takes", metavar="N", help="default: twice on a GPU; on a CPU the first shot twice")
    vram = "the most memory of each GPU, for every case, like 12GB; default: all of it"
    parser.add_argument("--vram-limit", metavar="AMOUNT", help=vram)


def _run_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="the run's folder")


def _store_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--baselines", type=Path, default=kept.BASELINES, metavar="FOLDER", help="default: the repository's"
    )


def _judging_options(parser: argparse.ArgumentParser) -> None:
    _run_option(parser)
    _store_option(parser)
    parser.add_argument("--require-baseline", action="store_true", help="fail where its machine has no baseline")


def _reporting_options(parser: argparse.ArgumentParser) -> None:
    _run_option(parser)
    parser.add_argument("--format", choices=("terminal", "markdown", "json"), default="terminal")
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")


def _advising_options(parser: argparse.ArgumentParser) -> None:
    about = "the run's folder; default: the latest with renderings of a GPU"
    parser.add_argument("run", nargs="?", type=Path, metavar="RUN", help=about)
    parser.add_argument("--vram", required=True, metavar="AMOUNT", help="what the card has, like 12GB")
    parser.add_argument("--subject", action="append", default=[], metavar="NAME[,NAME]", help="default: all of the run")
    _runs_option(parser)


def _runs_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="FOLDER", help="default: %(default)s")


def _accepting_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", type=Path, metavar="RUN", help="the run's folder")
    _store_option(parser)
    parser.add_argument("--because", default="", metavar="REASON", help="why this is right")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="of the names of cases; default: all")
    parser.add_argument("--portable", action="store_true", help="as the pictures that any machine is compared with")
    parser.add_argument("--trim", action="store_true", help="let ceilings come down to what this run measured")
    parser.add_argument("--also", action="store_true", help="keep the pictures accepted so far beside the new ones")
    parser.add_argument("--dry-run", action="store_true", help="show what would change, and write nothing")
    parser.add_argument("--prune", action="store_true", help="remove baselines that no case uses, or of another recipe")


def _calibrating_options(parser: argparse.ArgumentParser) -> None:
    _choosing_options(parser)
    extent = Extent()
    parser.add_argument("--pictures", default=f"{extent.pictures}", metavar="N", help="default: %(default)s")
    parser.add_argument("--controls", default=f"{extent.controls}", metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--portability", action="store_true", help="instead: what a CPU's instructions and threads do to the pictures"
    )
    parser.add_argument(
        "--between", nargs="+", type=Path, metavar="RUN", help="instead: how far runs of machines or releases lie apart"
    )


def _chosen_subjects(arguments: Arguments) -> tuple[Subject, ...]:
    catalogue = subjects()
    names = chosen(arguments.subject or ["miniature"], among=catalogue, option="--subject")
    return tuple(catalogue[name] for name in names)


def _chosen_strategies(arguments: Arguments) -> tuple[str, ...]:
    return chosen(arguments.strategy or NAMES, among=NAMES, option="--strategy")


def _timeout(arguments: Arguments) -> float:
    return seconds(arguments.case_timeout, option="--case-timeout")


def _vram_limit(arguments: Arguments) -> int | None:
    text = arguments.vram_limit
    return None if text is None else memory_limit(text, of=detect(), option="--vram-limit")


# The verbs


def list_all(arguments: Arguments) -> int:
    """Show the subjects and what they need, and the strategies."""
    catalogue = subjects()
    if arguments.json:
        found = {name: {**msgspec.to_builtins(subject), "lacks": ready(subject)} for name, subject in catalogue.items()}
        _say(msgspec.json.format(msgspec.json.encode(found)).decode())
        return 0
    for subject in catalogue.values():
        _say(f"{subject.name}: {subject.about}\n    needs {_needs(subject)}; {ready(subject) or 'ready'}")
    for strategy in STRATEGIES:
        _say(f"{strategy.name}: {strategy.about}")
    return 0


def _needs(subject: Subject) -> str:
    needs = subject.needs
    told = [f"{amount(needs.disk)} of disk"] if needs.disk else []
    told += [f"{amount(needs.vram)} of GPU memory"] if needs.vram else []
    told += ["a token of the hub"] if needs.token else []
    return ", ".join(told) or "nothing"


def grow(arguments: Arguments) -> int:
    """Grow the miniature into FLUX.1-dev's shapes."""
    folder: Path = arguments.folder or cached("grown")
    growth.grow(folder, source=MINIATURE, progress=growth.bar())
    _say(f"The grown miniature is in {folder}")
    return 0


def render(arguments: Arguments) -> int:
    """Render cases into a new run, without judging them."""
    timeout, cases = _timeout(arguments), _cases(arguments)
    takes = whole_number(arguments.takes, option="--takes", most=100) if arguments.takes else None
    limit = _vram_limit(arguments)
    wanted = _supported(cases, _chosen_strategies(arguments))
    if not wanted:
        return NOTHING
    folders = {case.subject.name: locate(case.subject) for case in wanted}
    run = _new_run(arguments, vram_limit=limit)
    with Workers(takes=takes, vram_limit=limit) as workers:
        workshop = Workshop(run, workers, cases, locate=lambda s: folders[s.name], timeout=timeout, report=_say)
        found = [workshop.rendering(case_id) for case_id in _with_references(wanted)]
    runs.finish(run)
    _say(f"The run is in {run.folder}")
    return RED if any(rendering.crash for rendering in found if rendering is not None) else 0


def _cases(arguments: Arguments) -> tuple[Case, ...]:
    """The matrix of the chosen subjects, on libraries that are known to be supported."""
    machine, libraries = detect(), stack()
    unfit = outside_support(libraries, torch=machine.torch)
    if unfit:
        raise Refusal(unfit)
    return matrix(_chosen_subjects(arguments), STRATEGIES, machine=machine, stack=libraries)


def _supported(cases: Sequence[Case], strategies: Sequence[str]) -> list[Case]:
    """The cases under these strategies that can be rendered here; of the others the reason is told."""
    wanted = [case for case in cases if case.strategy.name in strategies]
    for case in wanted:
        if case.unsupported is not None:
            _say(f"{case.id} is unsupported: {case.unsupported}")
    return [case for case in wanted if case.unsupported is None]


def _new_run(arguments: Arguments, *, vram_limit: int | None = None) -> Run:
    command = shlex.join(["python", "-m", "suite", *sys.argv[1:]])
    return runs.create(arguments.runs, detect(), stack(), command, vram_limit=vram_limit)


def _with_references(wanted: Sequence[Case]) -> list[str]:
    """The ids of the cases, each after those that it will be compared with."""
    pairs = [(case.subject.name, name) for case in wanted for name in (*_compared_with(case), case.strategy.name)]
    return [f"{subject}-{strategy}" for subject, strategy in dict.fromkeys(pairs)]


def judge(arguments: Arguments) -> int:
    """Judge a run, on any machine, and leave the verdicts in it."""
    run, catalogue = runs.open_run(arguments.run), subjects()
    standards = kept.standards(
        run.machine,
        run.stack,
        store=arguments.baselines,
        known=kept.known(arguments.baselines, subjects=catalogue),
        require_baseline=arguments.require_baseline,
        earlier=history.earlier(run.folder.parent, run.machine.id, than=run.id, vram_limit=run.vram_limit),
    )
    asked = _subjects_of(run, catalogue)
    verdicts = judge_run(run, subjects=asked, strategies=STRATEGIES, standards=standards)
    run.keep(runs.VERDICTS, verdicts)
    _say(_in_the_terminal(run, verdicts))
    if not measured_anything(verdicts):
        return NOTHING
    return RED if red(verdicts) else 0


def _subjects_of(run: Run, catalogue: Mapping[str, Subject]) -> list[Subject]:
    names = {rendering.subject for rendering in run.renderings().values()}
    unknown = sorted(names - set(catalogue))
    if unknown:
        raise Refusal(f"{run.folder} has renderings of {', '.join(unknown)}; there is: {', '.join(catalogue)}.")
    return [subject for name, subject in catalogue.items() if name in names]


def tell(arguments: Arguments) -> int:
    """Tell what was found in a run that has been judged: for a terminal, as Markdown or as JSON."""
    run = runs.open_run(arguments.run)
    if not (run.folder / runs.VERDICTS).exists():
        raise Refusal(f"{run.folder} has not been judged; run python -m suite judge {run.folder}.")
    text = _told(run, run.kept(runs.VERDICTS, tuple[Verdict, ...]), arguments.format)
    if arguments.output is None:
        _say(text)
    else:
        write_whole(arguments.output, text.encode() + b"\n")
    return 0


def _told(run: Run, verdicts: tuple[Verdict, ...], form: str) -> str:
    known = {case.id: case for case in cases_of(run, subjects=subjects().values(), strategies=STRATEGIES)}
    if form == "json":
        found = report(
            verdicts,
            run.renderings(),
            run=run.id,
            machine=run.machine,
            stack=run.stack,
            cases=known,
            cards=cards_of(run),
            vram_limit=run.vram_limit,
        )
        return as_json(found).decode().rstrip("\n")
    if form == "markdown":
        return markdown(
            _asked_about(verdicts),
            run.renderings(),
            title=f"Fluxgate on {run.machine.name}{_held(run)}",
            run=str(run.folder),
            versions=_versions(run),
            cases=known,
            settings=_settings(run, verdicts),
            cards=cards_of(run),
        ).rstrip("\n")
    return _in_the_terminal(run, verdicts)


def _held(run: Run) -> str:
    return f", each case held to {amount(run.vram_limit)} of it" if run.vram_limit is not None else ""


def _versions(run: Run) -> dict[str, str]:
    """Of everything between the pictures and the hardware, the lowest layer first."""
    machine = run.machine
    layers = {"driver": machine.driver, "CUDA": machine.cuda, "Python": machine.python, "torch": machine.torch}
    return {**{name: version for name, version in layers.items() if version}, **run.stack}


def _in_the_terminal(run: Run, verdicts: tuple[Verdict, ...]) -> str:
    width = shutil.get_terminal_size((100, 24)).columns
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    return terminal(
        _asked_about(verdicts),
        run.renderings(),
        run=run.folder,
        cards=cards_of(run),
        limit=run.vram_limit,
        width=width,
        unicode=unicode,
        settings=_settings(run, verdicts),
    )


def _settings(run: Run, verdicts: tuple[Verdict, ...]) -> tuple[Findings, ...]:
    """What the settings of a published guide change, where this run has pictures made with them."""
    found = {case_id: Rendered(rendering, run.case_folder(case_id)) for case_id, rendering in run.renderings().items()}
    return findings(found, verdicts)


def _asked_about(verdicts: tuple[Verdict, ...]) -> list[Verdict]:
    """Without the rows of which nobody asked anything."""
    asked = {verdict.case_id for verdict in verdicts if verdict.status != NOT_SELECTED}
    return [verdict for verdict in verdicts if verdict.case_id in asked]


def rank(arguments: Arguments) -> int:
    """Rank the strategies for a card, by what a run has measured."""
    vram = memory(arguments.vram, option="--vram")
    run = runs.open_run(arguments.run) if arguments.run else _latest_on_gpu(arguments.runs)
    if run.machine.device != "cuda":
        raise Refusal(f"{run.folder} was rendered on a CPU: its memory figures are the host's, not a card's.")
    there = {subject.name: subject for subject in _subjects_of(run, subjects())}
    names = chosen(arguments.subject or there, among=there, option="--subject")
    verdicts = run.kept(runs.VERDICTS, tuple[Verdict, ...]) if (run.folder / runs.VERDICTS).exists() else ()
    width = shutil.get_terminal_size((100, 24)).columns
    found = [
        advise(cases_of(run, subjects=[there[name]], strategies=STRATEGIES), trials(run), verdicts, vram=vram)
        for name in names
    ]
    for one in found:
        _say(advice(one, width=width) + "\n")
    if not verdicts:
        _say(f"Whether promises were kept is not known: the run was not judged (python -m suite judge {run.folder}).")
    _say(f"The run is in {run.folder}")
    return 0 if any(one.ranked for one in found) else NOTHING


def _latest_on_gpu(root: Path) -> Run:
    """The run that was started last, of those that rendered anything on a GPU."""
    for run in reversed(list(runs.readable(root))):
        if run.machine.device == "cuda" and run.renderings():
            return run
    said = f"There is no run in {root} that was rendered on a GPU, and what a CPU measures says nothing about cards"
    raise Refusal(f"{said}; name one: python -m suite advise RUN --vram AMOUNT.")


def accept(arguments: Arguments) -> int:
    """Accept a run's pictures, facts and limits as what later runs are held against."""
    catalogue, store = subjects(), arguments.baselines
    if arguments.prune:
        cases = {case.id: case for case in matrix(catalogue.values(), STRATEGIES, machine=detect(), stack=stack())}
        accepting.prune(store, cases=cases, subjects=catalogue, report=_say, dry_run=arguments.dry_run)
        return 0
    if arguments.run is None:
        raise Refusal("Say which run to accept: python -m suite accept RUN --because REASON.")
    run = runs.open_run(arguments.run)
    found = cases_of(run, subjects=catalogue.values(), strategies=STRATEGIES)
    accepting.accept(
        run,
        _request(arguments),
        store=store,
        cases={case.id: case for case in found},
        known=kept.known(store, subjects=catalogue),
        report=_say,
    )
    return 0


def _request(arguments: Arguments) -> Request:
    return Request(
        because=arguments.because,
        by=accepting.who(),
        at=datetime.datetime.now(datetime.UTC),
        only=arguments.only,
        portable=arguments.portable,
        trim=arguments.trim,
        also=arguments.also,
        dry_run=arguments.dry_run,
    )


def calibrate_all(arguments: Arguments) -> int:
    """Measure how alike pictures are that should be, and which controls they can be told from."""
    if arguments.between:
        given = [runs.open_run(path) for path in arguments.between]
        run = _new_run(arguments)
        return _kept_limits(run, drifting.between(run, given, report=_say))
    return _portability(arguments) if arguments.portability else _likenesses(arguments)


def _likenesses(arguments: Arguments) -> int:
    extent = Extent(
        pictures=whole_number(arguments.pictures, option="--pictures", most=10_000),
        controls=whole_number(arguments.controls, option="--controls", most=1_000),
    )
    timeout, cases, strategies = _timeout(arguments), _cases(arguments), _chosen_strategies(arguments)
    references = {name for case in cases if case.strategy.name in strategies for name in _compared_with(case)}
    asked = _supported(cases, [*strategies, *references])
    if not asked:
        return NOTHING
    run = _new_run(arguments)
    with Workers(takes=1) as workers:
        found = calibrate.calibrate(run, asked, extent, render=partial(_draw, workers, timeout), report=_say)
    return _kept_limits(run, found)


def _portability(arguments: Arguments) -> int:
    timeout, cases = _timeout(arguments), _cases(arguments)
    if any(case.device != "cpu" for case in cases):
        raise Refusal("--portability is about a CPU's instructions and threads; this machine renders on a GPU.")
    run = _new_run(arguments)
    with Workers(takes=1, start=SPAWN) as workers:
        render = partial(_draw, workers, timeout)
        rows = [
            row
            for case in _supported(cases, ["full"])
            for row in portability.portability(run, case, render=render, report=_say)
        ]
    return _kept_limits(run, rows)


def _kept_limits(run: Run, found: Collection[object]) -> int:
    runs.finish(run)
    if not found:
        _say(f"No limits were found. The run is in {run.folder}")
        return NOTHING
    _say(f"The limits are in {run.folder}; python -m suite accept {run.folder} --because REASON keeps them")
    return 0


def _draw(workers: Workers, timeout: float, case: Case, folder: Path) -> Rendering:
    return workers.render(case, folder, source=locate(case.subject), timeout=timeout, report=_say)


def _compared_with(case: Case) -> list[str]:
    """The strategies that a case is compared with."""
    promise = case.strategy.promise
    return [name for name in (promise.reference, promise.less_memory_than) if name]


def _say(line: str) -> None:
    """A line for whoever reads: at once, since the next one may take minutes."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())

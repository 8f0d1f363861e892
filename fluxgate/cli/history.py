"""`fluxgate history`: seconds, peaks, likeness and work over time, and when they changed."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path

from fluxgate.cli.shared import NOTHING, RED, add_strategy_option, say
from fluxgate.files import write_whole
from fluxgate.history.page import page
from fluxgate.history.series import Series, all_series, creep_sentence, in_words, sentence
from fluxgate.history.store import STORE, sessions
from fluxgate.judge.sentences import counted
from fluxgate.options import chosen


def add_options(parser: ArgumentParser) -> None:
    about = "pytest-benchmark's folder (default: %(default)s)"
    parser.add_argument("store", nargs="?", type=Path, default=STORE, metavar="STORE", help=about)
    add_strategy_option(parser, default="all that the store has")
    parser.add_argument("--figure", metavar="WORD", help="only figures with this word in their names, like seconds")
    parser.add_argument("--html", type=Path, metavar="FILE", help="also write the charts as a page")
    about = "exit with 1 if a series changed for the worse in its latest sessions"
    parser.add_argument("--fail-on-regression", action="store_true", help=about)


def act(arguments: Namespace) -> int:
    """Show how the figures of each case moved over the saved sessions."""
    saved = sessions(arguments.store)
    strategies = dict.fromkeys(case.strategy for session in saved for case in session.cases)
    names = (
        set(chosen(arguments.strategy or strategies, among=strategies, option="--strategy")) if strategies else set()
    )
    word = arguments.figure or ""
    series = all_series(saved, wanted=lambda strategy, figure: strategy in names and word in figure)
    if not series:
        say(f"{arguments.store} has no such figure; pytest --benchmark-autosave saves one session after another.")
        return NOTHING
    cases = len({one.case for one in series})
    say(f"{counted(len(saved), 'session')}, {len(series)} series of {counted(cases, 'case')}.")
    for case in dict.fromkeys(one.case for one in series):
        say(case)
        for line in _rows([one for one in series if one.case == case], of=len(saved)):
            say(line)
    if arguments.html:
        write_whole(arguments.html, page(series).encode())
        say(f"{arguments.html} has the charts.")
    return RED if _worse_recently(series) and arguments.fail_on_regression else 0


def _worse_recently(series: tuple[Series, ...]) -> int:
    """Tell every change, the latest last, and what creeps; how many recent ones are for the worse."""
    changes = [(change.at, one, change) for one in series for change in one.changes]
    for _, one, change in sorted(changes, key=lambda entry: entry[0]):
        say(f"{'Worse' if change.is_worse else 'Better'}: {sentence(one, change)}")
    grown = [(one, one.creep) for one in series if one.creep is not None]
    for one, creep in grown:
        say(f"{'Worse' if one.creeps_worse else 'Better'}: {creep_sentence(one, creep)}")
    recent = sum(change.is_worse and change.is_recent for _, _, change in changes)
    return recent + sum(one.creeps_worse for one, _ in grown)


def _rows(series: Sequence[Series], *, of: int) -> Iterator[str]:
    """A line for each figure of a case, the first and the latest value; of: how many sessions there are."""
    longest = max(len(one.figure) for one in series)
    for one in series:
        first, last = (in_words(one.figure, value) for value in (one.values[0], one.values[-1]))
        fewer = "" if len(one.points) == of else f" ({len(one.points)} of the sessions)"
        yield f"  {one.figure:<{longest}}  {first} → {last}{fewer}"

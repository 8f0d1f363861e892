"""`fluxgate replay`: gate upgrades whose right answer is known."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

from fluxgate.cli.shared import RED, add_runs_option, add_timeout_option, command, say
from fluxgate.files import write_plain, write_whole
from fluxgate.gate.environments.choice import INSTALLERS, choose_installer
from fluxgate.gate.replays.page import page
from fluxgate.gate.replays.played import Played, Status
from fluxgate.gate.replays.replays import Replays
from fluxgate.gate.replays.rows import HARMLESS, REGRESSIONS, Row, rows_of
from fluxgate.gate.replays.store import Store, merged, read_results
from fluxgate.gate.settings import Settings
from fluxgate.options import chosen
from fluxgate.refusal import Refusal

REPLAYS = "replays"  # in the folder of runs


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="the rows to play (default: all that this machine can play)"
    )
    parser.add_argument("--list", action="store_true", help="list the rows and play none")
    about = "your own rows, instead of those that ship"
    parser.add_argument("--rows", type=Path, action="append", metavar="FILE", help=about)
    parser.add_argument("--again", action="store_true", help="compare again what was compared before")
    about = "write the page, and the results beside it as JSON"
    parser.add_argument("--write", type=Path, metavar="PAGE.md", help=about)
    about = "also show results of another machine on the page; without NAME, no row is played here"
    parser.add_argument("--merge", type=Path, action="append", default=[], metavar="RESULTS.json", help=about)
    parser.add_argument(
        "--installer", choices=INSTALLERS, help="what installs packages (default: pip, or uv where there is no pip)"
    )
    parser.add_argument(
        "--wheelhouse", type=Path, metavar="FOLDER", help="install from this folder, without the network"
    )
    add_timeout_option(parser)
    add_runs_option(parser)


def act(arguments: Namespace) -> int:
    """Gate upgrades that were really released, and see that each gets the right answer and the right culprit."""
    rows = rows_of(tuple(arguments.rows or (REGRESSIONS, HARMLESS)))
    names = chosen(arguments.names, among=rows, option="NAME") if arguments.names else tuple(rows)
    asked = [rows[name] for name in names]
    if arguments.list:
        for row in asked:
            say(f"{row.name}: {row.about}{' (needs a GPU)' if row.device == 'cuda' else ''}")
        return 0
    elsewhere = [result for path in arguments.merge for result in _played_elsewhere(path, rows)]
    played, failed = ([], 0) if arguments.merge and not arguments.names else _replays(arguments).results(asked)
    results = [*elsewhere, *played]
    if arguments.write is not None:
        _write(arguments.write, results, rows)
    _tell(results)
    return RED if failed or any(result.status is Status.WRONG for result in results) else 0


def _replays(arguments: Namespace) -> Replays:
    return Replays(
        settings=_settings(arguments),
        installer=choose_installer(arguments.installer, wheelhouse=arguments.wheelhouse),
        store=Store(arguments.runs / REPLAYS),
        again=arguments.again,
        report=say,
    )


def _played_elsewhere(path: Path, rows: Mapping[str, Row]) -> Sequence[Played]:
    """The results in a file that another machine has written; they must be of rows that there are."""
    if not path.exists():
        raise Refusal(f"{path} does not exist; --merge takes the results that `fluxgate replay --write` has left.")
    results = read_results(path)
    chosen([result.row for result in results], among=rows, option=f"--merge {path}")
    return results


def _settings(arguments: Namespace) -> Settings:
    return Settings(
        installer=arguments.installer,
        wheelhouse=arguments.wheelhouse,
        case_timeout=arguments.case_timeout,
        runs=arguments.runs,
        command=command(),
    )


def _write(path: Path, results: Sequence[Played], rows: Mapping[str, Row]) -> None:
    """The page, and the results beside it: those of earlier calls and of other machines stay."""
    beside = path.with_suffix(".json")
    all_of_them = merged(read_results(beside), results, rows=rows)
    write_plain(beside, all_of_them)
    write_whole(path, page(rows, all_of_them).encode())
    say(f"{len(all_of_them)} results are in {path} and {beside}.")


def _tell(results: Sequence[Played]) -> None:
    """How many rows came out in each way, and what is wrong with those that came out wrong."""
    say("")
    for status in Status:
        rows = [result.row for result in results if result.status is status]
        if rows:
            say(f"{status}: {len(rows)} ({', '.join(rows)})")
    for result in results:
        for difference in result.differences:
            say(f"{result.row}: {difference}")

"""`fluxgate grow`: grow the miniature into FLUX.1-dev's shapes."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from fluxgate.cli.shared import say
from fluxgate.miniature.growth import grown_folder
from fluxgate.miniature.growth.progress import bar
from fluxgate.subjects.sources import MINIATURE, cached


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "folder", nargs="?", type=Path, metavar="FOLDER", help="where to write it (default: in the user's cache)"
    )


def act(arguments: Namespace) -> int:
    """Grow the miniature into FLUX.1-dev's shapes: the same pictures with its memory and work, without a download."""
    folder: Path = arguments.folder or cached("grown")
    grown_folder.grow(folder, source=MINIATURE, progress=bar())
    say(f"The grown miniature is in {folder}.")
    if folder == cached("grown"):
        say("Render it with fluxgate render --subject grown.")
    else:
        say(f'Name it in a catalogue of your own as source = "folder:{folder.absolute()}"; see docs/subjects.md.')
    return 0

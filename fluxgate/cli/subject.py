"""`fluxgate subject`: describe a pipeline of yours, in a folder or on the hub."""

from __future__ import annotations

import os
import re
import shlex
import tempfile
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from fluxgate.cli.shared import say
from fluxgate.files import write_whole
from fluxgate.pictures import Pixels, write_png
from fluxgate.pipeline_folder import ANY, has_variant, read_index, why_not_loadable
from fluxgate.refusal import Refusal, full_stop
from fluxgate.subjects import hub
from fluxgate.subjects.catalogue import VARIABLE, read_catalogue
from fluxgate.subjects.drafting import Draft, Source, draft, frame_files, picture_file, source_in
from fluxgate.subjects.entries import NAME
from fluxgate.subjects.matching import mismatch
from fluxgate.subjects.pipeline_call import MASKS
from fluxgate.subjects.single_files import why_not_readable
from fluxgate.subjects.weights import bytes_in_file, bytes_on_disk, loaded_of, only_variant, variants_of, wide_on_disk

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
VARIANT_DTYPES = {"fp16": {"F16": 1}, "bf16": {"BF16": 1}}  # what the hub has counted is of all files
CHECKPOINT = "checkpoint"  # stands for the whole pipeline among components
# In pixels: of a picture that is drafted to start from, where the call takes no size, and from one frame to the next.
EDGE, STEP = 512, 16


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("pipeline", metavar="PATH|OWNER/NAME", help="a pipeline's folder, or a repository of the hub")
    parser.add_argument(
        "--name", metavar="NAME", help="the name of the subject (default: that of the folder or the repository)"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="the file to write (default: NAME.toml)")
    parser.add_argument(
        "--file",
        action="append",
        default=[],
        metavar="COMPONENT=FILE",
        help="a component's weights in one file, safetensors or GGUF; may be given several times",
    )
    parser.add_argument("--checkpoint", metavar="FILE", help="the whole pipeline's weights in one safetensors file")
    about = "the variant of the files of weights, like fp16 (default: none, unless there is only one)"
    parser.add_argument("--variant", metavar="NAME", help=about)
    parser.add_argument("--revision", metavar="COMMIT", help="the commit of the repository (default: its latest)")


def act(arguments: Namespace) -> int:
    """Inspect a pipeline and write a catalogue with its description, commented line by line."""
    given: str = arguments.pipeline
    name = arguments.name or name_from(given)
    output: Path = arguments.output or Path(f"{name}.toml")
    if not re.fullmatch(NAME, name):
        raise Refusal(f"The name {name!r:.80} must consist of lower-case letters, digits and single hyphens.")
    if output.exists():
        raise Refusal(f"{output} exists already; name another file with --output.")
    files = dict(map(named_file, arguments.file))
    if Path(given).is_dir():
        elsewhere = (ANY,) if arguments.checkpoint else tuple(files)
        source = in_folder(Path(given), name, output, elsewhere, arguments.variant)
    elif REPOSITORY.fullmatch(given):
        source = on_hub(given, name, arguments.revision, arguments.variant)
    elif Path(given).is_file():
        raise Refusal(
            f"{given} is a file; name a pipeline's folder, and weights of their own by --checkpoint or --file."
        )
    else:
        raise Refusal(f"{given} is no folder, and no repository of the hub such as OWNER/NAME.")
    source = with_files(source, files, arguments.checkpoint, output)
    drafted = draft(source)
    write_checked(drafted, source, output)
    say(f"{output} has the subject {name}. Look it over, and run:")
    typed = shlex.quote(str(output))
    say(f"  {VARIABLE}={typed} fluxgate list")
    say(f"  {VARIABLE}={typed} fluxgate render --subject {name}")
    return 0


def name_from(given: str) -> str:
    """The last part of a path or a repository, as the name of a subject."""
    last = Path(given).absolute().name if given.rstrip("/") in ("", ".", "..") else given.rstrip("/").rpartition("/")[2]
    return re.sub(r"[^a-z0-9]+", "-", last.lower()).strip("-") or "mine"


def named_file(given: str) -> tuple[str, str]:
    """A component and its file."""
    name, mark, file = given.partition("=")
    if not (name and mark and file):
        raise Refusal(f"--file must be COMPONENT=FILE, like transformer=flux1-dev-Q4_K_S.gguf; it is {given!r:.200}.")
    return name, file


def with_files(source: Source, files: Mapping[str, str], checkpoint: str | None, output: Path) -> Source:
    """The same with weights of its own files in place of the source's, named from where the catalogue will lie."""
    given = {**files, **({CHECKPOINT: checkpoint} if checkpoint else {})}
    for file in given.values():
        if not Path(file).is_file():
            raise Refusal(f"There is no file {file}.")
    sizes = {name: Path(file).stat().st_size for name, file in given.items()}
    dtypes = sum((bytes_in_file(Path(file)) for file in given.values()), Counter[str]())
    placed = {name: os.path.relpath(Path(file).absolute(), output.absolute().parent) for name, file in given.items()}
    whole = placed.pop(CHECKPOINT, None)
    return replace(
        source,
        sizes=sizes if whole else {**source.sizes, **sizes},
        dtypes=dtypes if whole else Counter(source.dtypes) + dtypes,
        files=placed,
        checkpoint=whole,
    )


def in_folder(
    folder: Path, name: str, output: Path, elsewhere: tuple[str, ...] = (), variant: str | None = None
) -> Source:
    """A pipeline's folder, named as it is seen from where the catalogue will lie."""
    if variant and not has_variant_anywhere(folder, variant):
        raise Refusal(f"{folder} has no weights of a variant {variant}.")
    variant = variant or (None if elsewhere else only_variant(folder))
    reason = why_not_loadable(folder, variant, elsewhere)
    if reason:
        raise Refusal(full_stop(f"{folder} cannot be a subject: {reason}"))
    place = os.path.relpath(folder.absolute(), output.absolute().parent)
    sizes, dtypes = bytes_on_disk(folder, variant)
    source = source_in(folder, name=name, source=f"folder:{place}", sizes=sizes, dtypes=dtypes)
    return replace(source, variant=variant, wide=wide_on_disk(folder, variant))


def has_variant_anywhere(folder: Path, variant: str) -> bool:
    """Whether a component of the pipeline has weights of a variant."""
    return any(has_variant(component, variant) for component in folder.glob("*/"))


def on_hub(repository: str, name: str, revision: str | None, variant: str | None = None) -> Source:
    """A repository, of which only the index and the configurations are fetched."""
    try:
        listing = hub.listed(repository, revision)
    except Refusal as refusal:
        raise Refusal(f"There is no folder {repository}, so it was looked for on the hub. {refusal}") from refusal
    folder = hub.configurations(repository, listing.revision)
    files = {name: files_within(name, listing.sizes) for name in read_index(folder).components}
    variants = {each for names in files.values() for each in variants_of(names)}
    if variant and variant not in variants:
        raise Refusal(f"{repository} has no weights of a variant {variant}.")
    if variant is None and any(variants_of(names) and not loaded_of(names) for names in files.values()):
        variant = variants.pop() if len(variants) == 1 else None
    sizes = {name: sum(names[file] for file in loaded_of(names, variant)) for name, names in files.items()}
    sizes = {name: size for name, size in sizes.items() if size}
    dtypes = Counter(VARIANT_DTYPES.get(variant or "") or listing.dtypes)
    source = source_in(folder, name=name, source=f"hub:{repository}", sizes=sizes, dtypes=dtypes)
    return replace(source, revision=listing.revision, gated=listing.gated, variant=variant)


def files_within(component: str, sizes: Mapping[str, int]) -> dict[str, int]:
    """The files in a component's folder, each with its bytes."""
    begin = f"{component}/"
    return {file.removeprefix(begin): size for file, size in sizes.items() if file.startswith(begin)}


def write_checked(drafted: Draft, source: Source, output: Path) -> None:
    """Write the entry and its pictures, once it was read as a catalogue and held against the pipeline."""
    with tempfile.TemporaryDirectory(dir=output.absolute().parent, prefix=".subject-") as folder:
        trial = Path(folder, output.name)
        size = drafted.size or (EDGE, EDGE)
        pictures = {picture_file(source.name, argument): picture(argument, size) for argument in drafted.inputs}
        for argument in drafted.lists:
            files = frame_files(source.name, argument)
            pictures |= {file: picture(argument, size, moved=number * STEP) for number, file in enumerate(files)}
        for file, pixels in pictures.items():
            write_png(trial.with_name(file), pixels)
        trial.write_text(drafted.text, encoding="utf-8")
        subject = read_catalogue(trial)[source.name]
        whole = {CHECKPOINT: source.checkpoint} if source.checkpoint else {}
        own = replace(subject, files=beside({**source.files, **whole}, output), checkpoint=None)
        reason = why_not_readable(own) or mismatch(subject, source.index)
        if reason:
            raise Refusal(full_stop(f"{source.source} cannot be a subject as it is: {reason}"))
        for file in pictures:
            if not output.with_name(file).exists():
                write_whole(output.with_name(file), trial.with_name(file).read_bytes())
    write_whole(output, drafted.text.encode())


def beside(files: Mapping[str, str], output: Path) -> dict[str, str]:
    """Files as they are found from where the catalogue will lie, which is not where it is tried."""
    return {name: str(output.absolute().parent / file) for name, file in files.items()}


def picture(argument: str, size: tuple[int, int], *, moved: int = 0) -> Pixels:
    """Something to start from: colours that run across it, as far as they have moved, or a mask of its middle.

    It is as large as the shot, since not every pipeline scales what it starts from."""
    height, width = size
    if argument in MASKS:
        mask = np.zeros(size, np.uint8)
        mask[height // 4 : -height // 4, width // 4 : -width // 4] = 255
        return mask
    down, across = np.mgrid[0:height, 0:width] * 256 // np.array(size).reshape(2, 1, 1)
    colours = np.stack([down, across, (down + across) // 2], axis=-1).astype(np.uint8)
    return np.roll(colours, moved, axis=1)

"""A subject held against its pipeline: what it names must be in the folder's index and in the pipeline's class."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Sequence

from fluxgate.article import with_article
from fluxgate.options import suggestion
from fluxgate.pipeline_folder import MODEL_INDEX, Index
from fluxgate.subjects.decoder_class import decodes_in_tiles_alone
from fluxgate.subjects.pipeline_call import PROMPT
from fluxgate.subjects.pipeline_class import PipelineClass, has_class, pipeline_class, pipeline_names
from fluxgate.subjects.single_files import cannot_come_from_a_file
from fluxgate.subjects.subject import Shot, Subject

INVERT = "invert"  # the method by which some pipelines find the noise that a picture would have come from
EMBEDDED = "prompt_embeds"  # what calls take in place of a prompt
OUTPUTS = ("images", "frames", "image", "video")  # the fields that pipelines return pictures in


def mismatch(subject: Subject, index: Index) -> str | None:
    """What the subject says that its pipeline contradicts, or None."""
    return next(_mismatches(subject, index), None)


def _mismatches(subject: Subject, index: Index) -> Iterator[str]:
    decoder = "its VAE" if subject.decoder == Subject.decoder else "decoder"
    named = {"denoiser": (subject.denoiser,), "large": subject.large, "encoders": subject.encoders}
    named[decoder] = (subject.decoder,)
    named["files"] = tuple(subject.files)
    named["dtypes"] = tuple(subject.dtypes)
    for key, names in named.items():
        for name in names:
            if name not in index.components:
                yield f"{key} is {name!r}, which {MODEL_INDEX} does not list; {suggestion(name, index.components)}"
    fault = cannot_come_from_a_file(subject, index)
    if fault:
        yield fault
    for name, (library, kind) in index.components.items():
        if library == "diffusers" and not has_class(kind):
            listed = f"{MODEL_INDEX} lists {name} as {with_article(kind)} of diffusers"
            yield f"{listed}, and the installed release has no such class"
    yield from _decoder_mismatches(subject, index)
    installed = pipeline_class(subject.pipeline)
    if installed is not None:
        yield from _class_mismatches(subject, index, installed)
        yield from _call_mismatches(subject, installed)
        yield from _left_out(subject, index, installed)
    elif pipeline_names():  # else no diffusers is installed, and nothing can be said
        yield f"pipeline is {subject.pipeline!r}, which the installed diffusers does not have{_meant(subject, index)}"


def _decoder_mismatches(subject: Subject, index: Index) -> Iterator[str]:
    _, kind = index.components.get(subject.decoder, ("", ""))
    if kind and decodes_in_tiles_alone(kind):
        yield f"{kind} decodes in tiles alone, and what all is compared with, full, decodes pictures as a whole"


def _meant(subject: Subject, index: Index) -> str:
    near = difflib.get_close_matches(subject.pipeline, pipeline_names(), n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; {MODEL_INDEX} says {index.class_name}" if index.class_name else ""


def _class_mismatches(subject: Subject, index: Index, installed: PipelineClass) -> Iterator[str]:
    """Another class than the index names will do if its constructor asks for components that are there."""
    if index.class_name in (None, installed.name):
        return
    which = f"pipeline is {installed.name!r}, and {MODEL_INDEX} is of {with_article(str(index.class_name))}"
    for name in installed.components:
        if name not in index.components:
            yield f"{which}, which has no {name}"
    classes = installed.components.get(subject.denoiser, ())
    actual = index.components[subject.denoiser][1]
    if classes and actual not in classes:
        wanted = " or ".join(map(with_article, classes))
        yield f"{which}, whose {subject.denoiser} is {with_article(actual)}, not {wanted}"


def _left_out(subject: Subject, index: Index, installed: PipelineClass) -> Iterator[str]:
    """What the constructor cannot do without; a checkpoint may hold it."""
    for name in installed.components:
        if name not in index.components and subject.checkpoint is None:
            yield f"{MODEL_INDEX} lists no {name}, and no {installed.name} can be made without"


def why_not_rendered(installed: PipelineClass, given: Collection[str] = ()) -> str | None:
    """Why no pipeline of a class can be a subject: its call gives no pictures, or asks for what no shot can give.

    given: what shots do give."""
    if installed.gives and not {*OUTPUTS} & {*installed.gives}:
        fields = f"{', '.join(OUTPUTS[:-1])} or {OUTPUTS[-1]}"
        return f"{installed.name} returns {', '.join(installed.gives)}, and Fluxgate looks for pictures in {fields}"
    if INVERT in installed.methods:
        return f"{installed.name} edits a picture that its {INVERT} was called with before, and a shot is one call"
    named = [name for name in installed.takes if name.endswith(f"_{PROMPT}")]
    prompts = [name for name in named if not name.startswith(("negative_", "num_"))]
    if EMBEDDED in installed.takes and PROMPT not in installed.takes and not {*prompts} & {*given}:
        parts = " and ".join(prompts) or "something else"
        return f"{installed.name} is told what to paint by {parts}, and a shot has one prompt"
    known = {PROMPT, *installed.pictures, *installed.picture_lists, *installed.options, *given}
    beyond = [name for name in installed.must_have if name not in known]
    return f"a call of {installed.name} needs {beyond[0]}, which a shot cannot give" if beyond else None


def _call_mismatches(subject: Subject, installed: PipelineClass) -> Iterator[str]:
    """What the class's own source says of its calls."""
    given = {name for shot in subject.shots for name in _given_by(shot)}
    fault = why_not_rendered(installed, given)
    if fault:
        yield fault
    if installed.encodes and subject.encodes != installed.encodes:
        returned = ", ".join(installed.encodes)
        yield f"encodes is {', '.join(subject.encodes)}; encode_prompt of {installed.name} returns {returned}"
    for name in subject.embeddings:
        if installed.takes and name not in installed.takes:
            yield f"embeddings names {name!r}, which {installed.name} cannot be called with"
    if installed.takes and not installed.call_takes_more:
        yield from _shot_mismatches(subject, installed)


def _shot_mismatches(subject: Subject, installed: PipelineClass) -> Iterator[str]:
    """Arguments of a shot that the class cannot be called with."""
    for shot in subject.shots:
        for name in _given_by(shot):
            if as_called(name, installed.takes) not in installed.takes:
                yield (
                    f"shot {shot.name} gives {name}, which {installed.name} cannot be called with; "
                    f"{suggestion(name, installed.takes)}"
                )


def _given_by(shot: Shot) -> tuple[str, ...]:
    """The arguments of a shot's call, by the names that it has for them."""
    return tuple(dict.fromkeys([*shot.arguments(), *(picture.argument for picture in shot.inputs)]))


def as_called(argument: str, takes: Sequence[str]) -> str:
    """The name that a pipeline has for an argument: what gives pictures elsewhere gives videos in some."""
    video = argument.replace("images", "videos")
    return video if argument == "num_images_per_prompt" and argument not in takes and video in takes else argument

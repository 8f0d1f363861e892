"""How well the miniature draws: held-out captions rendered, read and tabulated, with sheets for a person to look at."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from fluxgate.files import write_plain, write_whole
from fluxgate.miniature import captions, parsing, reader
from fluxgate.miniature.drawing import Picture
from fluxgate.miniature.training.data import held_out_scenes
from fluxgate.refusal import Refusal

if TYPE_CHECKING:
    from diffusers import FluxPipeline

SEED = 7  # of the held-out captions and of the noise their pictures start from
STEPS, GUIDANCE, LENGTH = 20, 3.5, 64
ABLATION = "Two red mushrooms to the left of a blue teacup in the snow by day."
OTHER = "A grey fox in a desert at night."
BATCH = 50  # pictures of one call
ABOUT = ("thing", "colour", "count", "side", "relation", "setting", "time")  # what a caption asks


@dataclass(frozen=True)
class Size:
    width: int
    height: int


SQUARE = Size(256, 256)
WIDE = Size(1360, 768)


def load(folder: Path, *, device: str) -> FluxPipeline:
    import torch
    from diffusers import FluxPipeline

    if not (folder / "model_index.json").is_file():
        raise Refusal(f"{folder} holds no pipeline: it has no model_index.json.")
    pipeline = FluxPipeline.from_pretrained(folder).to(device, torch.bfloat16)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def render(
    pipeline: FluxPipeline, prompts: Sequence[str], *, size: Size, seeds: Sequence[int], **other: Any
) -> list[Picture]:
    """One picture for each prompt, from noise of its own seed, made on the CPU so that every machine starts alike."""
    import torch

    settings = {"num_inference_steps": STEPS, "guidance_scale": GUIDANCE, "max_sequence_length": LENGTH, **other}
    if "prompt_embeds" not in settings:
        settings["prompt"] = list(prompts)
    noise = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
    answer = pipeline(width=size.width, height=size.height, generator=noise, output_type="np", **settings)
    return [(picture * 255).round().astype(np.uint8) for picture in answer.images]


def held_out(*, count: int) -> list[str]:
    return [caption for _, caption in held_out_scenes(count=count, seed=SEED)]


def render_held_out(pipeline: FluxPipeline, *, count: int) -> Iterator[Picture]:
    prompts = held_out(count=count)
    for start in range(0, count, BATCH):
        part = prompts[start : start + BATCH]
        yield from render(pipeline, part, size=SQUARE, seeds=[SEED + start + i for i in range(len(part))])


def sheet(pictures: Iterable[Picture], titles: Sequence[str], *, columns: int, width: int = 0) -> Image.Image:
    """A contact sheet: every picture with its title below."""
    images = [Image.fromarray(picture) for picture in pictures]
    for image in images if width else ():
        image.thumbnail((width, width), Image.Resampling.LANCZOS)
    wide, tall = max(image.width for image in images), max(image.height for image in images)
    lines = [textwrap.wrap(title, max(12, wide // 6)) for title in titles]
    below = 12 * max(map(len, lines)) + 6
    rows = -(-len(images) // columns)
    result = Image.new("RGB", (columns * (wide + 4), rows * (tall + below)), "white")
    pen = ImageDraw.Draw(result)
    for index, (image, text) in enumerate(zip(images, lines, strict=True)):
        x, y = index % columns * (wide + 4), index // columns * (tall + below)
        result.paste(image, (x, y))
        pen.multiline_text((x + 2, y + tall + 2), "\n".join(text), fill="black", spacing=1)
    return result


def blog(pipeline: FluxPipeline) -> Picture:
    """The blog post's own prompt in its own frame, with the library's default text length."""
    settings = {"num_inference_steps": 50, "max_sequence_length": 512}
    return render(pipeline, [captions.BLOG_PROMPT], size=WIDE, seeds=[42], **settings)[0]


def sweep(pipeline: FluxPipeline) -> dict[str, Picture]:
    """One caption with each input changed in turn."""

    def one(caption: str = ABLATION, *, size: Size = SQUARE, seed: int = 1, **other: Any) -> Picture:
        return render(pipeline, [caption], size=size, seeds=[seed], **other)[0]

    result = {f"guidance {value:g}": one(guidance_scale=value) for value in (1, 2, 3.5, 5, 6)}
    result |= {f"{count} steps": one(num_inference_steps=count) for count in (2, 4, 8, 50)}
    result |= {f"{length} tokens": one(max_sequence_length=length) for length in (128, 256, 512)}
    result["another seed"] = one(seed=2)
    sizes = (Size(128, 128), Size(320, 192), Size(192, 320), Size(512, 512))
    result |= {f"{size.width} by {size.height}": one(size=size) for size in sizes}
    result |= {name: one(**given) for name, given in ablations(pipeline).items()}
    return result


def ablations(pipeline: FluxPipeline) -> dict[str, dict[str, Any]]:
    """Calls in which one text input is emptied or exchanged, by what was done."""
    import torch

    with torch.no_grad():
        texts, pooled, _ = pipeline.encode_prompt(ABLATION, None, max_sequence_length=LENGTH)
        empty, blank, _ = pipeline.encode_prompt("", None, max_sequence_length=LENGTH)
        others, other, _ = pipeline.encode_prompt(OTHER, None, max_sequence_length=LENGTH)
    pairs = {
        "CLIP vector zeroed": (texts, torch.zeros_like(pooled)),
        "CLIP of an empty prompt": (texts, blank),
        "CLIP of another prompt": (texts, other),
        "T5 zeroed": (torch.zeros_like(texts), pooled),
        "T5 of an empty prompt": (empty, pooled),
        "T5 of another prompt": (others, pooled),
    }
    return {name: {"prompt_embeds": t5, "pooled_prompt_embeds": clip} for name, (t5, clip) in pairs.items()}


@dataclass(frozen=True)
class Score:
    """How often the reader found what was asked, of one kind of question about one kind of thing."""

    about: str
    kind: str
    found: int
    asked: int


def read_pictures(out: Path, *, count: int) -> list[reader.Finding]:
    """Everything the captions ask of the pictures that `write_pictures` left."""
    findings: list[reader.Finding] = []
    for index, (_, caption) in enumerate(held_out_scenes(count=count, seed=SEED)):
        path = out / "held-out" / f"{index:03d}.png"
        if not path.is_file():
            raise Refusal(f"{path} is missing; render it first, without --reading.")
        reading = reader.read(np.asarray(Image.open(path).convert("RGB")))
        findings += reader.compare(reading, parsing.parse(caption))
    return findings


def scores(findings: Iterable[reader.Finding]) -> list[Score]:
    asked: Counter[tuple[str, str]] = Counter()
    found: Counter[tuple[str, str]] = Counter()
    for finding in findings:
        for kind in (finding.kind, "all"):
            asked[finding.about, kind] += 1
            found[finding.about, kind] += finding.found
    return [Score(about, kind, found[about, kind], number) for (about, kind), number in sorted(asked.items())]


def table(results: Sequence[Score]) -> str:
    """One row for each kind, one column for each question, in Markdown."""
    cells = {(score.about, score.kind): f"{score.found}/{score.asked}" for score in results}
    kinds = sorted({score.kind for score in results}, key=lambda kind: (kind == "all", kind))
    lines = ["| | " + " | ".join(ABOUT) + " |", "| --- |" + " --- |" * len(ABOUT)]
    lines += ["| " + " | ".join([kind, *(cells.get((about, kind), "") for about in ABOUT)]) + " |" for kind in kinds]
    return "\n".join(lines)


def report(out: Path, *, count: int) -> None:
    """Write what the reader found as `table.md` and `scores.json`."""
    results = scores(read_pictures(out, count=count))
    text = table(results)
    write_whole(out / "table.md", f"{text}\n".encode())
    write_plain(out / "scores.json", results)
    print(text)


def write_pictures(pipeline: FluxPipeline, out: Path, *, count: int, quick: bool = False) -> None:
    """Render everything the report needs: single held-out pictures for the reader, sheets for a person."""
    (out / "held-out").mkdir(parents=True, exist_ok=True)
    pictures = list(render_held_out(pipeline, count=count))
    for index, picture in enumerate(pictures):
        Image.fromarray(picture).save(out / "held-out" / f"{index:03d}.png")
    shown = min(count, 40)
    sheet(pictures[:shown], held_out(count=shown), columns=8, width=192).save(out / "sheet.png")
    if not quick:
        changed = sweep(pipeline)
        sheet(changed.values(), list(changed), columns=6, width=224).save(out / "inputs.png")
        Image.fromarray(blog(pipeline)).save(out / "blog.png")


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="python -m fluxgate.miniature.evaluation", description=__doc__)
    result.add_argument("folder", type=Path, help="the pipeline to judge")
    result.add_argument("--out", type=Path, required=True, help="folder for pictures and table")
    result.add_argument("--count", type=int, default=200, help="held-out captions (default 200)")
    result.add_argument("--device", default="cpu")
    result.add_argument("--quick", action="store_true", help="no sheet of inputs and no blog picture")
    result.add_argument("--pictures", action="store_true", help="render only; read them later, with --reading")
    result.add_argument("--reading", action="store_true", help="read pictures that --pictures left in the out folder")
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        if not options.reading:
            pipeline = load(options.folder, device=options.device)
            write_pictures(pipeline, options.out, count=options.count, quick=options.quick)
        if not options.pictures:
            report(options.out, count=options.count)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return refusal.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

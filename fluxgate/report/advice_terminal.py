"""The advice for a terminal: what to take, a table of what is ranked, and the reasons for what is not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from fluxgate import figures
from fluxgate.amounts import amount
from fluxgate.judge.sentences import listed
from fluxgate.report.advice import CONTEXT, NO, YES, Advice, Ranked
from fluxgate.report.escaping import plain, wrapped


def advice_text(advice: Advice, *, width: int = 80) -> str:
    """What to take, what the columns mean, a table of what is ranked, and the reasons for what is not."""
    title = plain(f"{advice.subject} on a card of {amount(advice.vram)}{_beside_host(advice.ram)}")
    blocks = [[f"{title}: nothing can be ranked." if not advice.ranked else title]]
    if advice.ranked:
        blocks += [_paragraphs(_choice(advice), width)]
        if advice.best or not advice.origin:
            blocks += [[*_table(advice)], _paragraphs(_legend(advice), width)]
        blocks += [_paragraphs(_notes(advice), width)]
    blocks += [_paragraphs(advice.origin, width)]
    reasons = _by_text(advice.left_out)
    blocks += [["Not ranked:", *_paragraphs(_named(reasons), width, indent="  ")] if reasons else []]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _beside_host(ram: int | None) -> str:
    return "" if ram is None else f" with {amount(ram)} of host memory"


def _choice(advice: Advice) -> Iterator[str]:
    """The strategy to begin with, what it costs, and a quicker one that renders otherwise."""
    if advice.best is None:
        least = min(advice.ranked, key=lambda one: one.peak)
        yield f"Nothing fits. {least.strategy} needs the least: {amount(least.peak)} on the GPU{_on_host(least)}."
        return
    yield f"Take {_costs(advice.best, advice.vram)}."
    if advice.asks_for_ram and advice.best.host is not None:
        yield (
            f"{advice.best.strategy} needs {amount(advice.best.host)} of host memory. If you have less, "
            "say how much you have, like --ram 32GB."
        )
    if advice.quicker:
        yield f"Quicker: {_costs(advice.quicker, advice.vram)}."


def _costs(one: Ranked, vram: int) -> str:
    time = "" if one.seconds is None else f", {figures.seconds(one.seconds)}"
    like = "" if one.likeness is None else f", {_like_full(one.likeness)}"
    gpu = f"{amount(one.peak)} on the GPU"
    if one.fits == YES and one.peak > vram:  # torch keeps more where it has more
        gpu = f"{amount(vram)} on the GPU ({amount(one.peak)} on a larger one)"
    return f"{one.strategy}: {gpu}{_on_host(one)}{time}{like}"


def _on_host(one: Ranked) -> str:
    return "" if one.host is None else f" and {amount(one.host)} on the host"


def _like_full(likeness: float) -> str:
    """How far the pictures are from full's, in words."""
    return "full's pictures to the pixel" if likeness == 1 else f"SSIM {figures.likeness(likeness)} to full"


def _legend(advice: Advice) -> Iterator[str]:
    card, context = amount(advice.vram), amount(CONTEXT)
    how = f", and pytest --vram-limit={advice.vram / 1e9:g}GB tries it" if not advice.origin else ""
    room = "" if advice.ram is None else f", or it needs more than {amount(advice.ram)} of the host"
    yield (
        f"fits: yes, it ran with no more than {card}; likely, its peak leaves {context} for the CUDA context"
        f"{how}; no, it does not, or it ran out of memory{room}"
    )
    yield (
        "peak: the most that torch reserved, which can be more on a larger card; host: the most memory that the "
        "process held on the host"
    )
    if advice.shots:
        yield f"time: {listed(advice.shots, most=12)} without loading, in the second take if there is one"
    yield "SSIM: similarity to full of the picture that is least like it; 1 is to the pixel"


def _table(advice: Advice) -> Iterator[str]:
    """A row for each strategy, every column as wide as it must be; of what shipped only what fits."""
    rows = [["strategy", "fits", "peak", "host", "time", "SSIM"]]
    for one in advice.ranked:
        if one.fits != NO or not advice.origin:
            rows.append(_row(one))
    name, fit, *others = (max(map(len, column)) for column in zip(*rows, strict=True))
    for strategy, fitting, *numbers in rows:
        cells = (f"  {cell:>{wide}}" for cell, wide in zip(numbers, others, strict=True) if wide)
        yield f"{strategy:<{name}}  {fitting:<{fit}}{''.join(cells)}".rstrip()


def _row(one: Ranked) -> list[str]:
    host = "" if one.host is None else amount(one.host)
    time = "" if one.seconds is None else figures.brief(one.seconds)
    like = "" if one.likeness is None else figures.likeness(one.likeness, digits=3)
    return [plain(one.strategy), one.fits, amount(one.peak), host, time, like]


def _notes(advice: Advice) -> Iterator[str]:
    """Where a row is not like the others, and which rows are not shown."""
    too_large = [one.strategy for one in advice.ranked if one.fits == NO]
    if advice.origin and too_large:
        yield f"{len(too_large)} of {len(advice.ranked)} strategies do not fit."
    elsewhere = {one.strategy: one.run_id for one in advice.ranked if one.run_id != advice.run_id}
    for run_id, names in _by_text(elsewhere).items():
        yield f"{', '.join(names)}: out of memory under this run's limit; measured in {run_id}."
    fewer = {one.strategy: listed(one.without) for one in advice.ranked if one.without}
    for shots, names in _by_text(fewer).items():
        it = "it leaves" if len(names) == 1 else "they leave"
        yield f"{', '.join(names)}: peak and likeness without {shots}, which {it} out."


def _named(by_text: Mapping[str, Sequence[str]]) -> Iterator[str]:
    return (f"{', '.join(names)}: {text}" for text, names in by_text.items())


def _by_text(texts: Mapping[str, str]) -> dict[str, list[str]]:
    """The first line of each text -> those of whom it is said."""
    by_text: dict[str, list[str]] = {}
    for name, text in texts.items():
        by_text.setdefault(text.partition("\n")[0], []).append(name)
    return by_text


def _paragraphs(texts: Iterable[str], width: int, *, indent: str = "") -> list[str]:
    return [line for text in texts for line in wrapped(text, width, indent=indent)]

"""The pictures of a page that is published: where a browser finds them."""

from __future__ import annotations

from collections.abc import Iterator

from fluxgate.report.github import MOST_PICTURES, Shown
from fluxgate.report.html.page import BESIDE
from fluxgate.report.html.pairs import PagePair, pairs_by_case
from fluxgate.report.html.pictures import file_of
from fluxgate.report.html.sides import Sides
from fluxgate.report.report import Report

INDEX = "index.html"


def published_pictures(report: Report, sides: Sides, page: str) -> tuple[Shown, ...]:
    """Of each case the first pair that a check failed by, in the folder beside the page at this address."""
    folder, _, name = page.partition("#")[0].partition("?")[0].rpartition("/")
    beside = f"{folder}/{(name or INDEX).removesuffix('.html')}{BESIDE}"
    pairs = pairs_by_case(sides, report.verdicts)
    wrong = [next((one for one in those if one.wrong and one.expected), None) for those in pairs.values()]
    cases = [(case_id, pair) for case_id, pair in zip(pairs, wrong, strict=True) if pair is not None]
    return tuple(shown for case_id, pair in cases for shown in _both(case_id, pair, beside))[:MOST_PICTURES]


def _both(case_id: str, pair: PagePair, beside: str) -> Iterator[Shown]:
    for label, source in zip(pair.labels, pair.sources, strict=True):
        yield Shown(f"{beside}/{file_of(source)}", f"{case_id}, shot {pair.shot}: {label}")

"""Tests of the columns that the tables of every form are made of."""

from pathlib import Path

from fluxgate.judge.verdict import CHECKS, PASSED, STATUSES
from fluxgate.report.columns import BESIDE, FIGURES, SYMBOLS, WORDS, columns_of, legend
from fluxgate.report.escaping import ascii_only
from fluxgate.report.rows import Row, rows_of
from tests.report.made import cases, of_case, renderings, verdicts


def rows(folder: Path) -> tuple[Row, ...]:
    matrix = {case.id: case for case in cases(full=39.27)}
    return rows_of(verdicts(), renderings(folder), cases=matrix, cards={"tiny-full": 24})


def test_every_check_has_a_word_and_every_status_a_symbol() -> None:
    """All of them different, and in ASCII, too."""
    assert (set(WORDS), set(SYMBOLS)) == (set(CHECKS), set(STATUSES))
    assert len(set(WORDS.values())) == len(WORDS)
    assert len(set(SYMBOLS.values())) == len({ascii_only(symbol) for symbol in SYMBOLS.values()}) == len(STATUSES)


def test_a_cell_is_short_or_has_its_unit(tmp_path: Path) -> None:
    """In a terminal and elsewhere; what was not measured is empty."""
    full, tiling, nf4, *_ = rows(tmp_path)
    by_heading = {column.heading: column for column in (*FIGURES, *BESIDE)}
    assert {heading: column.cell(full, column.brief) for heading, column in by_heading.items()} == {
        **dict.fromkeys(("load", "encode", "denoise", "decode", "peak"), "1.00"),
        **{"card": "24", "time": "3.00s", "SSIM": "", "driver": "", "published": "39.27"},
    }
    assert {heading: column.cell(tiling, column.full) for heading, column in by_heading.items()} == {
        **dict.fromkeys(("load", "encode", "denoise", "decode", "peak"), "1.00 GB"),
        **{"card": "", "time": "3.00 s", "SSIM": "0.912", "driver": "", "published": ""},
    }
    assert by_heading["card"].cell(full, by_heading["card"].full) == "24 GB"
    assert not any(column.cell(nf4, column.full) for column in by_heading.values())


def test_a_column_without_figures_is_left_out(tmp_path: Path) -> None:
    """A CPU's table has no cards, and a run that measured nothing no figures."""
    full, tiling, *_ = rows(tmp_path)
    assert [column.heading for column in columns_of([tiling])][-3:] == ["peak", "time", "SSIM"]
    assert [column.heading for column in columns_of([full])][-3:] == ["peak", "time", "card"]
    assert columns_of(rows_of(of_case("full", PASSED), {}, cases={}, cards={})) == ()


def test_the_legend_tells_each_meaning_once(tmp_path: Path) -> None:
    """Columns of one meaning share a line, which says whose memory it is."""
    found = rows(tmp_path)
    lines = legend(columns_of(found), found)
    assert [line.partition(":")[0] for line in lines] == ["load, encode, denoise, decode, peak", "time", "SSIM", "card"]
    assert "allocated on the GPU" in lines[0]
    assert legend(columns_of(found), found, titles=True)[-2].startswith("likeness: ")

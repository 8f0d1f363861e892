"""Tests of the pen: curves, corners and mixed colours."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from fluxgate.miniature import pen
from fluxgate.miniature.pen import INK, Pen


def _painted(line: float = 0.1) -> tuple[Image.Image, Pen]:
    canvas = Image.new("RGB", (100, 100), (255, 255, 255))
    return canvas, Pen(ImageDraw.Draw(canvas), 100, line)


def test_a_smooth_curve_passes_through_its_points() -> None:
    """Every knot lies on the curve."""
    knots = [(0.1, 0.1), (0.9, 0.2), (0.8, 0.9), (0.2, 0.7)]
    curve = np.array(pen.smooth(knots))
    assert all(np.abs(curve - knot).sum(axis=1).min() < 1e-9 for knot in knots)


def test_a_point_given_twice_is_a_corner() -> None:
    """Without the doubled point the curve swings out beyond it; with it the curve stays on its side."""
    corner = [(0.1, 0.9), (0.5, 0.1), (0.5, 0.1), (0.9, 0.9)]
    assert min(y for _, y in pen.smooth(corner)) >= 0.1 - 1e-9
    sharp, round_ = (len(pen.smooth(points)) for points in (corner, corner[:2] + corner[3:]))
    assert sharp == round_


def test_shapes_are_filled_and_inked() -> None:
    """The middle has the fill, the edge the ink, the outside neither."""
    canvas, brush = _painted()
    brush.disc(0.5, 0.5, 0.3, 0.3, (200, 10, 10))
    assert [canvas.getpixel(point) for point in ((50, 50), (20, 50), (2, 2))] == [(200, 10, 10), INK, (255, 255, 255)]


def test_a_shape_may_have_no_ink_or_no_fill() -> None:
    """Without ink the edge has the fill's colour; without fill the middle keeps its own."""
    canvas, brush = _painted()
    brush.disc(0.5, 0.5, 0.3, 0.3, (200, 10, 10), ink=None)
    assert canvas.getpixel((22, 50)) == (200, 10, 10)
    canvas, brush = _painted()
    brush.disc(0.5, 0.5, 0.3, 0.3, None)
    assert canvas.getpixel((50, 50)) == (255, 255, 255)


def test_colours_mix() -> None:
    """Lighter is lighter, darker is darker, and a share of nothing changes nothing."""
    red = (200, 50, 50)
    assert pen.mixed(red, INK, 0.0) == red
    assert pen.mixed(red, INK, 1.0) == INK
    assert sum(pen.darker(red)) < sum(red) < sum(pen.lighter(red))

"""Pen strokes as a series of steps.

A drawing's series has one row (dx, dy, pen_up) per step, y downward. It is first scaled so that the
longer side of its bounding box is PER_SIDE units, and each stroke is cut into equal steps of about
one unit along its path: recordings of any device and density, and simplified ones, look alike. A
move to the next stroke is one long step with pen_up = 1. A stroke of a single point is the step
(0, 0, 0).
"""

import numpy as np

from .errors import BadInput

PER_SIDE = 25


def parse_strokes(data):
    """[points [n, 2]] of an Omniglot stroke file: START, then lines x,y,t with y upward and
    negative, BREAK after each stroke."""
    strokes, points = [], []
    try:
        for line in data.decode("ascii").splitlines():
            if line.strip() == "BREAK":
                if points:
                    strokes.append(np.array(points))
                points = []
            elif line.strip() not in ("START", ""):
                x, y, _time = map(float, line.split(","))
                points.append((x, -y))
    except ValueError:
        raise BadInput("broken stroke file: expected START, x,y,t and BREAK lines") from None
    if points:
        strokes.append(np.array(points))
    if not strokes:
        raise BadInput("stroke file without a point")
    return strokes


def stroke_series(strokes):
    """float32 [steps, 3] of one drawing."""
    everything = np.concatenate(strokes)
    if not np.isfinite(everything).all():
        raise BadInput("strokes hold values that are not finite")
    side = np.ptp(everything, axis=0).max()
    rows, pen = [], None
    for stroke in strokes:
        points = _equal_steps(stroke * (PER_SIDE / side if side > 0 else 1))
        if pen is not None:
            rows.append([*(points[0] - pen), 1])
        rows += [[*step, 0] for step in np.diff(points, axis=0)] or [[0, 0, 0]]
        pen = points[-1]
    return np.array(rows, "<f4")


def rotate_series(series, quarter_turns):
    """The series of the drawing turned counter-clockwise, as np.rot90 turns its image."""
    dx, dy, pen_up = series.T
    for _ in range(quarter_turns % 4):
        dx, dy = dy, -dx
    return np.stack([dx, dy, pen_up], axis=1)


def _equal_steps(points):
    """Points at equal distances along the path, about one unit apart, with both ends kept."""
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    if along[-1] == 0:
        return points[:1]
    at = np.linspace(0, along[-1], max(1, round(along[-1])) + 1)
    return np.stack([np.interp(at, along, points[:, axis]) for axis in (0, 1)], axis=1)

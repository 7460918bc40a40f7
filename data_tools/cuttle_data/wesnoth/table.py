"""Units and animations -> a table as cuttle-data frame reads them."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa

from ..frame.guesses import ARRAY, AUDIO, CATEGORY, IMAGE, LABELS, NUMBER, TEXT, VIDEO
from ..frame.roles import Roles
from ..frame.source import Frame
from .moves import moves_in
from .units import COLUMNS, NUMBERS

TARGETS = {"cost": ("cost", ), "attacks": ("melee_type", "ranged_type")}  # what tells them


def unit_table(units, class_column, targets):
    """(Frame, {column: type}, Roles): a row is a unit. targets: a key of TARGETS or None."""
    columns = {"unit": (TEXT, pa.array([unit.name for unit in units])),
               class_column: (CATEGORY, pa.array([getattr(unit, class_column) for unit in units]))}
    senses = {
        "image": (IMAGE, pa.array([unit.image for unit in units], pa.string())),
        "description": (TEXT, pa.array([unit.description for unit in units], pa.string())),
        "sound": (AUDIO, pa.array([unit.sound for unit in units], pa.string())),
        "video": (VIDEO, pa.array([_longest(unit) for unit in units], pa.list_(pa.string())))
    }
    for name in COLUMNS:
        cells = [unit.table[name] for unit in units]
        number = name in NUMBERS or name.endswith(("damage", "strikes"))
        senses[name] = ((NUMBER, pa.array(cells, pa.float64())) if number else
                        (CATEGORY, pa.array(cells, pa.string())))
    hidden = TARGETS.get(targets, ())
    values = tuple(name for name in senses if name not in hidden)
    columns |= senses
    roles = Roles(class_column, id="unit", values=values)
    if targets == "attacks":
        columns["attacks"] = (LABELS, pa.array([unit.attacks for unit in units],
                                               pa.list_(pa.string())))
        roles.labels = "attacks"
    elif targets:
        roles.targets = hidden
    return *_frame(columns), roles


def _longest(unit):
    """The pictures of the animation with most; None without any."""
    return max((pictures for _, pictures in unit.animations), key=lambda found: len(set(found)),
               default=None)


def animation_table(units, root, report):
    """The same: a row is an animation, of pictures in the folder root. What several units share is the
    first one's."""
    seen, rows, numbers = set(), [], Counter()
    for unit in units:
        for kind, pictures in unit.animations:
            if tuple(pictures) in seen:
                continue
            seen.add(tuple(pictures))
            numbers[unit.name, kind] += 1
            rows.append((f"{unit.name} {kind} {numbers[unit.name, kind]}", kind, unit.name, pictures))
    report.note(f"{len(rows)} animations of {len({row[2] for row in rows})} units")
    names, kinds, owners, videos = zip(*rows)
    columns = {"animation": (TEXT, pa.array(names)), "motion": (CATEGORY, pa.array(kinds)),
               "unit": (TEXT, pa.array(owners)),
               "video": (VIDEO, pa.array(videos, pa.list_(pa.string()))),
               "moves": (ARRAY, pa.array([moves_in(root, pictures) for pictures in videos],
                                         pa.list_(pa.list_(pa.float32()))))}
    return *_frame(columns), Roles("motion", id="animation", group="unit", values=("video", "moves"))


def _frame(columns):
    count = len(next(iter(columns.values()))[1])
    cells = {name: pa.chunked_array([column]) for name, (_, column) in columns.items()}
    return (Frame(Path("wesnoth"), cells, np.arange(1, count + 1, dtype=np.int32)),
            {name: kind for name, (kind, _) in columns.items()})

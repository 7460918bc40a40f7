"""A picture of some samples of every class, so that a person sees what a model will: pictures as
they are, four moments of videos, sounds as spectrograms, texts drawn, graphs as circles of nodes,
series and vectors as lines."""

import functools
import importlib.util
import textwrap
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from . import names
from .errors import UserError
from .files import atomic
from .graphs import parts_of
from .reader import Shard
from .schema import SPLITS
from .shard_file import Loaded
from .videos import kept

CELL, GAP, LABEL, HEAD = 80, 4, 150, 18  # pixels
CLASSES, SAMPLES = 24, 4  # at most: rows, and samples in a row
WINDOW, COLUMNS = 256, 160  # samples and number of the spectrogram's windows
LETTERS, LINES = 13, 6  # of a text
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf")


def check_name(path):
    """UserError unless a sheet can have this name."""
    if path.suffix.lower() != ".png" or not path.parent.is_dir():
        raise UserError(f"--sheet {path} is no PNG file in a folder that exists; name one that "
                        "ends with .png")


def choose(samples):
    """A few of each of up to CLASSES classes, spread over all; samples have a class_name."""
    by_class = {}
    for sample in samples:
        by_class.setdefault(sample.class_name, []).append(sample)
    rows = list(by_class.values())
    step = max(1, -(-len(rows) // CLASSES))
    return [sample for members in rows[::step] for sample in members[:SAMPLES]]


def draw(path, modalities, samples):
    """Writes a PNG with a row for each class among the loaded samples."""
    rows = {}
    for sample in samples:
        rows.setdefault(sample.class_name, []).append(sample)
    step = CELL + GAP
    most = max(map(len, rows.values()), default=1)
    size = (LABEL + most * (len(modalities) * step + GAP), HEAD + max(1, len(rows)) * step)
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    for column, modality in enumerate(modalities * most):
        _write(pen, (_left(column, len(modalities)), 2), modality.name[:LETTERS])
    for row, (class_name, members) in enumerate(rows.items()):
        top = HEAD + row * step
        label = "(no class)" if class_name is None else class_name
        _write(pen, (2, top), "\n".join([*textwrap.wrap(label, 24)[:4], f"[{members[0].split}]"]))
        cells = [(modality, member.arrays.get(modality.name))
                 for member in members for modality in modalities]
        for column, (modality, array) in enumerate(cells):
            sheet.paste(_cell(modality, array), (_left(column, len(modalities)), top))
    with atomic(path) as temporary:
        sheet.save(temporary, "PNG")


def draw_shards(path, shards):
    """The same for the shards at these paths, which have passed their checks."""
    samples, places, modalities = [], {}, []
    for shard_path in shards:
        with Shard(shard_path) as shard:
            modalities = modalities or shard.modalities
            for row, class_id in enumerate(shard.sample_class):
                class_name = shard.class_names[class_id] if class_id >= 0 else None
                samples.append(Loaded(shard.sample_names[row], class_name, "",
                                      SPLITS[shard.sample_split[row]], {}))
                places[id(samples[-1])] = shard_path, row
    chosen = choose(samples)
    for shard_path in shards:
        with Shard(shard_path) as shard:
            for sample in chosen:
                place, row = places[id(sample)]
                if place == shard_path:
                    sample.arrays = {name: shard.read(row, name)
                                     for name, rows in shard.rows.items() if rows[row] >= 0}
    draw(path, modalities, chosen)


def _left(column, senses):
    return LABEL + column * (CELL + GAP) + column // senses * GAP


def _write(pen, place, text):
    pen.multiline_text(place, text, fill="black", font=_font(), spacing=1)


@functools.lru_cache(maxsize=1)
def _font():
    """DejaVu Sans as matplotlib brings it: Pillow's own font knows ASCII only."""
    found = importlib.util.find_spec("matplotlib")
    path = Path(found.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf" if found else None
    return ImageFont.truetype(path, 9) if path and path.is_file() else ImageFont.load_default(10)


def _cell(modality, array):
    cell = Image.new("RGB", (CELL, CELL), "#eeeeee")
    if array is None:
        ImageDraw.Draw(cell).line((0, 0, CELL, CELL), fill="#bbbbbb")
    elif modality.kind == names.KIND_IMAGE:
        _paste_picture(cell, array)
    elif modality.kind == names.KIND_VIDEO:
        _paste_picture(cell, _moments_of(array))
    elif modality.kind == names.KIND_TEXT:
        lines = textwrap.wrap(array.tobytes().decode(), LETTERS)[:LINES]
        _write(ImageDraw.Draw(cell), (2, 2), "\n".join(lines))
    elif modality.kind == names.KIND_AUDIO:
        cell.paste(Image.fromarray(spectrogram(array)).resize((CELL, CELL)).convert("RGB"))
    elif modality.kind == names.KIND_GRAPH:
        _draw_graph(cell, *parts_of(array, modality.shape[0], modality.directed))
    else:
        _draw_lines(cell, array if array.ndim == 2 else array[:, None])
    return cell


def _paste_picture(cell, array):
    channels = array.shape[2]
    shown = array[..., 0] if channels < 3 else array[..., :3]
    picture = Image.fromarray(np.ascontiguousarray(shown)).convert("RGB")
    scale = CELL / max(picture.size)
    size = [max(1, round(side * scale)) for side in picture.size]
    kind = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX
    cell.paste(picture.resize(size, kind))


def _draw_graph(cell, features, edges):
    """The nodes on a circle, in their order."""
    pen, angles = ImageDraw.Draw(cell), 2 * np.pi * np.arange(len(features)) / len(features)
    places = (CELL / 2 + (CELL / 2 - 4) * np.stack([np.sin(angles), -np.cos(angles)], 1)).tolist()
    for first, second in edges:
        pen.line((*places[first], *places[second]), fill=COLOURS[0])
    for x, y in places:
        pen.ellipse((x - 2, y - 2, x + 2, y + 2), fill="black")


def _moments_of(frames):
    """Four frames as one picture, row by row; of fewer the last one again."""
    shown = [frames[min(place, len(frames) - 1)] for place in kept(max(4, len(frames)), 4)]
    return np.concatenate([np.concatenate(shown[row:row + 2], axis=1) for row in (0, 2)])


def spectrogram(samples):
    """uint8 [frequencies, times], the lowest frequency at the bottom, over 60 dB."""
    samples = np.pad(samples.astype(float) / 32768, (0, max(0, WINDOW - len(samples))))
    starts = np.linspace(0, len(samples) - WINDOW, COLUMNS).astype(int)
    frames = samples[starts[:, None] + np.arange(WINDOW)] * np.hanning(WINDOW)
    level = 20 * np.log10(np.abs(np.fft.rfft(frames, axis=1)) + 1e-6)
    shown = np.clip((level - level.max() + 60) / 60, 0, 1)
    return np.ascontiguousarray((255 * shown).astype(np.uint8).T[::-1])


def _draw_lines(cell, array):
    """A line for each of the first channels, over the steps."""
    pen = ImageDraw.Draw(cell)
    shown = array[:, :len(COLOURS)].astype(float)
    known = shown[~np.isnan(shown)]
    low, high = known.min(initial=np.inf), known.max(initial=-np.inf)
    x = np.linspace(1, CELL - 2, len(shown))
    y = (CELL - 2) - (shown - low) / max(high - low, 1e-30) * (CELL - 4)
    for channel, colour in zip(y.T, COLOURS):
        points = [point for point in zip(x, channel) if not np.isnan(point[1])]  # over holes
        pen.line(points if len(points) != 1 else points * 2, fill=colour)

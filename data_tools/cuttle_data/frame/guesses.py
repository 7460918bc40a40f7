"""What the cells of a column are, by a look at its first rows."""

import re

import pyarrow as pa
import pyarrow.compute as pc

from .. import media
from ..errors import UserError
from . import cells

NUMBER, CATEGORY, TEXT, DATE, LABELS = "number", "category", "text", "date", "labels"
IMAGE, AUDIO, ARRAY, VIDEO, EMPTY = "image", "audio", "array", "video", "empty"
OTHER = "other"
TYPES = (NUMBER, CATEGORY, TEXT, DATE, LABELS, IMAGE, AUDIO, VIDEO, ARRAY)
MEDIA = (IMAGE, AUDIO, VIDEO, ARRAY)

LOOKED_AT = 100000  # rows
SUFFIXES = {
    IMAGE: media.IMAGE_SUFFIXES,
    AUDIO: media.SOUND_SUFFIXES,
    ARRAY: media.ARRAY_SUFFIXES,
    VIDEO: media.VIDEO_SUFFIXES
}
MAGIC = ((b"\x89PNG", IMAGE), (b"\xff\xd8", IMAGE), (b"GIF8", IMAGE), (b"BM", IMAGE),
         (b"RIFF", AUDIO), (b"fLaC", AUDIO), (b"OggS", AUDIO), (b"ID3", AUDIO), (b"\x93NUMPY",
                                                                                 ARRAY))
MOST = 0.9  # of the cells decide; of numbers half, so that a few wrong ones are named as wrong
LONGEST_CATEGORY = 100  # characters
TEXT_NAMES = {
    "text", "sentence", "title", "description", "caption", "comment", "review", "question"
}


def parse_types(texts, frame):
    """{column: type} of COLUMN=TYPE; UserError for what is neither."""
    types = {}
    for text in texts:
        column, _, kind = text.rpartition("=")
        if kind not in TYPES:
            raise UserError(f"--type {text}: no type {kind!r}; give COLUMN=TYPE with one of "
                            f"{', '.join(TYPES)}")
        (frame.check_column if kind in (*MEDIA, LABELS) else frame.check_plain)(column)
        types[column] = kind
    return types


def guess_types(frame, given):
    """{column: type} for all columns."""
    return {
        name: given.get(name) or _guess(frame, name, column)
        for name, column in frame.columns.items()
    }


def _guess(frame, name, column):
    head = column.slice(0, LOOKED_AT)
    if head.null_count == len(head):
        return EMPTY
    meaning = (frame.meanings or {}).get(name, "")
    if not cells.is_text(head):
        return _of_arrow_type(head, meaning)
    if meaning == TEXT:
        return TEXT
    kind = _of_strings(cells.names_of(head).drop_null(), frame.decimal)
    if kind == NUMBER and (frame.meanings or {}).get(name) == CATEGORY:
        return CATEGORY
    return TEXT if kind == CATEGORY and name.casefold() in TEXT_NAMES else kind


def _of_arrow_type(head, meaning):
    kind = head.type
    if meaning in (IMAGE, AUDIO, VIDEO):
        return meaning
    if pa.types.is_temporal(kind):
        return DATE
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _of_texts(head) if cells.is_list_of_texts(head) else ARRAY
    if pa.types.is_struct(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return _of_bytes(head)
    known = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal)
    return NUMBER if any(is_kind(kind) for is_kind in known) else OTHER


def _of_texts(head):
    """Lists of pictures are videos."""
    texts = pc.list_flatten(head.slice(0, 1000)).drop_null()
    return VIDEO if len(texts) and _share(texts, _ending(IMAGE)) >= MOST else LABELS


def _of_bytes(head):
    """By the first bytes of the first value, or the ending of its path."""
    value = head.drop_null()[0].as_py()
    data, path = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, "")
    if data and media.is_film(data[:12]):
        return VIDEO
    for magic, kind in MAGIC:
        if data and data.startswith(magic):
            return kind
    suffix = "." + str(path or "").lower().rpartition(".")[2]
    return next((kind for kind, suffixes in SUFFIXES.items() if suffix in suffixes), OTHER)


def _of_strings(filled, decimal):
    if not len(filled):
        return EMPTY
    given = filled.filter(pc.invert(pc.is_in(pc.utf8_lower(filled), cells.NOT_GIVEN)))
    plain = cells.plain_of(given, decimal)
    if not len(given):
        return EMPTY
    if _share(plain, cells.NUMBER) >= 0.5:
        return NUMBER
    for kind in SUFFIXES:
        if _share(given, _ending(kind)) >= MOST:
            return kind
    if _share(plain, cells.DATE_ANY) >= MOST:
        return DATE
    if _share(given, r"^\[.*\]$") >= MOST or _is_piped(given):
        return LABELS
    few = pc.count_distinct(given).as_py() <= len(given) / 2
    short = pc.max(pc.utf8_length(given)).as_py() <= LONGEST_CATEGORY
    return CATEGORY if few and short else TEXT


def _ending(kind):
    """The pattern of paths of such files."""
    return f"(?i)^[^\n]*({'|'.join(map(re.escape, SUFFIXES[kind]))})$"


def _is_piped(given):
    """Whether many cells are words between bars, of which there are far fewer than cells."""
    if _share(given, r"^[^|\n]{1,40}(\|[^|\n]{1,40})+$") < 0.2:
        return False
    words = pc.list_flatten(pc.split_pattern(given, "|"))
    return pc.count_distinct(words).as_py() <= max(len(words) / 2, 2)


def _share(texts, pattern):
    return (pc.sum(pc.match_substring_regex(texts, pattern)).as_py() or 0) / len(texts)

"""The tables of MovieLens, whatever their layout, as one table of ratings."""

import csv
import io
import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from ..errors import UserError
from ..frame.source import Frame
from .common import text_of

# The order of the flags of u.item.
GENRES = ("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime",
          "Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance",
          "Sci-Fi", "Thriller", "War", "Western")
NO_GENRES = "(no genres listed)"
YEAR_OF_TITLE = re.compile(r"\((\d{4})\)\s*$")
YEAR_OF_DATE = re.compile(r"(\d{4})$")
SEPARATED = "\x1f"  # what `::` becomes: arrow wants one character


@dataclass(frozen=True)
class Layout:
    """Files of one layout. users: None where there are none; comma: CSV with quotes and a first
    line of names, else cells are between `separator`."""

    ratings: str
    items: str
    users: str
    separator: str
    item_separator: str
    comma: bool = False


LAYOUTS = (Layout("u.data", "u.item", "u.user", "\t", "|"),
           Layout("ratings.dat", "movies.dat", "users.dat", "::", "::"),
           Layout("ratings.csv", "movies.csv", None, ",", ",", comma=True))


@dataclass(frozen=True)
class Film:
    title: str
    year: int  # None: not known
    genres: frozenset


def read(root, report):
    """The Frame of all ratings with columns user, item, sample, rating, title, year, genre=NAME,
    and age, gender, occupation where users are described. UserError unless it is MovieLens."""
    layout = next((layout for layout in LAYOUTS if (root / layout.ratings).is_file()), None)
    if layout is None:
        raise UserError(f"{root}: none of {', '.join(layout.ratings for layout in LAYOUTS)} is here "
                        "(the ratings); give the folder that the archive of MovieLens unpacks to")
    films = _films(root / layout.items, layout, report)
    columns = _ratings(root / layout.ratings, layout, report)
    columns["sample"] = pc.binary_join_element_wise(columns["user"], columns["item"], "/")
    columns.update(_of_films(columns["item"], films, report))
    if layout.users and (root / layout.users).is_file():
        columns.update(_of_users(columns["user"], root / layout.users, layout, report))
    count = len(columns["user"])
    if not count:
        raise UserError(f"{root / layout.ratings}: no ratings (nothing to predict); unpack it anew")
    return Frame(root / layout.ratings, columns, np.arange(1, count + 1, dtype=np.int32))


def _ratings(path, layout, report):
    """{user, item, rating: arrow ChunkedArray of strings}."""
    data, separator, bad = path.read_bytes(), layout.separator, []
    if not data.isascii():  # a damaged file
        data = data.decode("latin-1").encode()
    if len(separator) > 1:
        data, separator = data.replace(separator.encode(), SEPARATED.encode()), SEPARATED

    def skip(row):
        bad.append(row.text)
        return "skip"

    names = ("user", "item", "rating", "time")
    try:
        table = pacsv.read_csv(
            pa.py_buffer(data), pacsv.ReadOptions(column_names=names, skip_rows=layout.comma),
            pacsv.ParseOptions(delimiter=separator, quote_char='"' if layout.comma else False,
                               invalid_row_handler=skip),
            pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())))
    except pa.ArrowInvalid as error:
        raise UserError(f"{path}: not the ratings of MovieLens ({error}); unpack it anew") from None
    if bad:
        report.left_out(len(bad), "rating without its four cells", f"{path}: {bad[0]!r}")
    return {name: table.column(name) for name in names[:3]}


def _rows(path, layout, separator, cells, report):
    """The rows of a small table that have so many cells at least; the others are reported. Of 100k
    and 1m they are Latin-1, of the others UTF-8."""
    if not path.is_file():
        raise UserError(f"{path}: no such file (it describes what is rated); unpack the archive "
                        "anew")
    text = text_of(path)
    if layout.comma:
        rows = list(csv.reader(io.StringIO(text, newline="")))[1:]
    else:
        rows = [line.split(separator) for line in text.splitlines()]
    found = []
    for number, row in enumerate(rows, 1 + layout.comma):
        if len(row) >= cells:
            found.append([cell.strip() for cell in row])
        elif any(row):
            report.skipped(f"{path}: row {number}", f"{len(row)} cells, not {cells}")
    return found


def _films(path, layout, report):
    """{item: Film}"""
    flags = layout.item_separator == "|"
    films = {}
    for row in _rows(path, layout, layout.item_separator, 5 + len(GENRES) if flags else 3, report):
        if flags:
            genres = {name for name, flag in zip(GENRES, row[5:]) if flag == "1"}
        else:
            genres = set(row[2].split("|")) - {NO_GENRES, ""}
        year = YEAR_OF_TITLE.search(row[1]) or (flags and YEAR_OF_DATE.search(row[2]))
        films[row[0]] = Film(row[1], int(year[1]) if year else None, frozenset(genres))
    if not films:
        raise UserError(f"{path}: describes no film; unpack the archive anew")
    return films


def _of_films(items, films, report):
    place = pc.index_in(items, pa.array(films, pa.string()))
    _note_unknown(items, place, "film", report)
    described = list(films.values())
    columns = {"title": pa.array([film.title for film in described], pa.string()),
               "year": pa.array([film.year for film in described], pa.int16())}
    for genre in sorted({genre for film in described for genre in film.genres}):
        columns[f"genre={genre}"] = pa.array([genre in film.genres for film in described])
    return {name: column.take(place) for name, column in columns.items()}


def _of_users(users, path, layout, report):
    """100k: id, age, gender, occupation, zip; 1m: id, gender, age, occupation, zip."""
    flags = layout.item_separator == "|"
    names = ("age", "gender", "occupation") if flags else ("gender", "age", "occupation")
    rows = _rows(path, layout, layout.item_separator, 4, report)
    place = pc.index_in(users, pa.array([row[0] for row in rows], pa.string()))
    _note_unknown(users, place, "user", report)
    return {name: pa.array([row[number] for row in rows], pa.string()).take(place)
            for number, name in enumerate(names, 1)}


def _note_unknown(ids, place, what, report):
    unknown = pc.unique(ids.filter(place.is_null()))
    if len(unknown):
        report.note(f"{len(unknown)} {what}s of ratings are not described, such as {unknown[0]}: "
                    "their values are missing")

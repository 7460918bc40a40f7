"""The units of the game: what the files of a data/core folder say of each, as rows."""

from dataclasses import dataclass

from ..errors import BadInput, UserError
from ..texts import plain_bytes
from . import wml
from .animations import animations_of, names_in, pictures_in

RANGES = ("melee", "ranged")
NUMBERS = ("level", "cost", "hitpoints", "movement", "experience")
WORDS = ("alignment", "usage")
COLUMNS = (*NUMBERS, *WORDS, *(f"{range_}_{part}" for range_ in RANGES
                               for part in ("damage", "strikes", "type")))


@dataclass
class Unit:
    """table: {of COLUMNS: a number, a word or None}; attacks: the types of damage it deals; image, sound:
    paths in the folder, or None; animations: [(kind, paths)]."""

    name: str
    race: str
    movement_type: str
    description: str
    table: dict
    attacks: list
    image: str
    sound: str
    animations: list


def read_units(core, report):
    """[Unit] of all that players may meet, in order of their files; UserError if there is none."""
    reader = wml.Preprocessor()
    for path in [*sorted((core / "macros").rglob("*.cfg")), core / "units.cfg"]:
        _read(reader, path, core, report)
    reader.unknown.clear()  # of the game's other parts
    tags = [tag for path in sorted((core / "units").rglob("*.cfg"))
            for tag in _read(reader, path, core, report).all("unit_type")]
    for name in sorted(reader.unknown):
        report.note(f"macro {name} is not there: nothing stands for it")
    tags = [tag for tag in _complete(tags) if tag.keys.get("do_not_list") != "yes"]
    units = [_unit(tag, core, report) for tag in tags if tag.keys.get("id")]
    if not units:
        raise UserError(f"{core}: no unit (the data set is made of them); give the package's folder")
    return units


def _read(reader, path, core, report):
    """The Tag of a file, empty if that is broken."""
    try:
        return wml.parse(reader.text_of(path.read_text(encoding="utf-8")))
    except (BadInput, OSError, UnicodeDecodeError) as problem:
        report.skipped(path.relative_to(core), f"broken file: {problem}")
        return wml.Tag("")


def _complete(tags):
    """With what those that name a [base_unit] have of it."""
    by_name = {tag.keys.get("id"): tag for tag in tags}
    for tag in tags:
        for base in tag.all("base_unit"):
            base = by_name.get(base.keys.get("id"))
            if base and base is not tag:
                tag.keys = {**base.keys, **tag.keys}
                own = {part.name for part in tag.tags}
                tag.tags = [*tag.tags, *(part for part in base.tags if part.name not in own)]
    return tags


def _unit(tag, core, report):
    name, keys = tag.keys["id"], tag.keys
    attacks = [found.keys for found in tag.all("attack")]
    table = {column: _number(keys.get(column)) for column in NUMBERS}
    table |= {column: keys.get(column) for column in WORDS}
    for range_ in RANGES:
        found = [keys for keys in attacks if keys.get("range") == range_]
        best = max(found, key=_strength, default={})
        table[f"{range_}_damage"] = _number(best.get("damage"))
        table[f"{range_}_strikes"] = _number(best.get("number"))
        table[f"{range_}_type"] = best.get("type")
    images, sounds = core / "images", core / "sounds"
    moves = [(kind, found) for kind, paths in animations_of(tag)
             if (found := _there(paths, images, name, report)) and len(found) == len(paths)]
    image = _there(pictures_in(keys.get("image", "")), images, name, report)
    sound = _there(_attack_sounds(tag), sounds, name, report)
    return Unit(name, keys.get("race"), keys.get("movement_type"),
                plain_bytes(keys.get("description", "")).decode() or None, table,
                sorted({keys["type"] for keys in attacks if keys.get("type")}),
                image[0] if image else None, sound[0] if sound else None, moves)


def _number(text):
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def _strength(attack):
    return (_number(attack.get("damage")) or 0) * (_number(attack.get("number")) or 0)


def _attack_sounds(tag):
    """Of attacks that hit. How units die sounds alike in a whole race, from the same files."""
    return [name for anim in tag.all("attack_anim") for part in anim.everywhere()
            for name in names_in(part.keys.get("sound", ""))]


def _there(names, folder, unit, report):
    """Those that are files of the folder, as paths in its parent."""
    found = []
    for name in names:
        inside = not name.startswith("/") and ".." not in name
        if inside and (folder / name).is_file():
            found.append(f"{folder.name}/{name}")
        else:
            report.skipped(f"{unit}: {folder.name}/{name}", "file that is not there")
    return found

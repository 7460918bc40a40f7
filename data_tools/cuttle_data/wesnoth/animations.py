"""Which pictures move a unit, and what they show."""

import itertools
import re

LEAST_PICTURES = 4  # different ones: fewer are poses
ITEM = re.compile(r"(?:\[[^\]]*\]|\((?:[^()]|\([^()]*\))*\)|[^,\[(])+")
LIST = re.compile(r"\[([^\[\]]*)\]")
TIMES = re.compile(r"\s*(\d{1,4})\s*")
RUN = re.compile(r"(\d{1,4})~(\d{1,4})")
MOST_NAMES = 1000  # of one value


def names_in(text):
    """The names in a value with lists: "a-[1~3,2].ogg,b.ogg" -> a-1.ogg a-2.ogg a-3.ogg a-2.ogg b.ogg."""
    names = (name for item in ITEM.findall(text) for name in _written_out(item.strip()))
    return list(itertools.islice(names, MOST_NAMES))


def _written_out(item):
    found = LIST.search(item)
    if not found:
        yield item
        return
    before, after = item[:found.start()], item[found.end():]
    for part in _parts(found[1]):
        yield from _written_out(before + part + after)


def _parts(text):
    for part in text.split(","):
        part, _, times = part.partition("*")
        run = RUN.fullmatch(part.strip())
        parts = [part.strip()]
        if run:
            first, last = int(run[1]), int(run[2])
            step = 1 if first <= last else -1
            width = len(run[1]) if run[1].startswith("0") else 0
            parts = [str(number).zfill(width) for number in range(first, last + step, step)]
        count = TIMES.fullmatch(times)
        for _ in range(int(count[1]) if count else 1):
            yield from parts


def pictures_in(text):
    """The same of pictures, without how long each is shown and how it is coloured."""
    paths = [re.match(r"(?s).*?\.png", item.strip()) for item in ITEM.findall(text)]
    return [name for path in paths if path for name in names_in(path[0])]


def animations_of(unit):
    """[(kind, pictures)] of a unit's Tag: those of its female form, too. Of what differs by direction or
    by hit and miss the first is taken. kind: death, idle, attack sword, ..."""
    found = []
    for form in [unit, *unit.all("female")]:
        for tag in form.tags:
            kind = kind_of(tag)
            pictures = _frames(tag) if kind else []
            if len(set(pictures)) >= LEAST_PICTURES:
                found.append((kind, pictures))
    return found


def kind_of(tag):
    """What an animation shows; None if the tag is none."""
    if tag.name == "attack_anim":
        weapons = [name for found in tag.all("filter_attack")
                   for name in names_in(found.keys.get("name") or found.keys.get("range", ""))]
        return " ".join(["attack", *weapons[:1]])
    if tag.name in ("death", "defend"):
        return tag.name
    return tag.name.removesuffix("_anim").replace("_", " ") if tag.name.endswith("_anim") else None


def _frames(tag):
    pictures = []
    for part in tag.tags:
        if part.name == "frame":
            pictures += pictures_in(part.keys.get("image", ""))
        elif part.name == "if":
            pictures += _frames(part)
    return pictures

"""Which pictures move a unit, and what they show."""

import re

LEAST_PICTURES = 4  # different ones: fewer are poses
ITEM = re.compile(r"(?:\[[^\]]*\]|\((?:[^()]|\([^()]*\))*\)|[^,\[(])+")
LIST = re.compile(r"\[([^\[\]]*)\]")
RUN = re.compile(r"(\d{1,4})~(\d{1,4})")
MOST_TIMES = 1000  # that a list repeats a name


def names_in(text):
    """The names in a value with lists: "a-[1~3,2].ogg,b.ogg" -> a-1.ogg a-2.ogg a-3.ogg a-2.ogg b.ogg."""
    return [name for item in ITEM.findall(text) for name in _written_out(item.strip())]


def _written_out(item):
    found = LIST.search(item)
    if not found:
        return [item]
    before, after = item[:found.start()], item[found.end():]
    return [name for part in _parts(found[1]) for name in _written_out(before + part + after)]


def _parts(text):
    made = []
    for part in text.split(","):
        part, _, times = part.partition("*")
        run = RUN.fullmatch(part.strip())
        if run:
            first, last = int(run[1]), int(run[2])
            step = 1 if first <= last else -1
            width = len(run[1]) if run[1].startswith("0") else 0
            parts = [str(number).zfill(width) for number in range(first, last + step, step)]
        else:
            parts = [part.strip()]
        made += parts * (min(int(times), MOST_TIMES) if times.strip().isdecimal() else 1)
    return made


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
        weapons = [found.keys.get("name") or found.keys.get("range")
                   for found in tag.all("filter_attack")]
        return f"attack {names_in(weapons[0])[0]}" if weapons and weapons[0] else "attack"
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

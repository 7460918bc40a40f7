"""The drawings of the Open Clip Art Library, and what is said in each of them."""

from collections import Counter
from dataclasses import dataclass
from xml.etree import ElementTree

from .texts import plain_bytes

# Almost all alike (drawn by a program, icons of themes), and what nobody has sorted.
LEFT_OUT = ("shapes", "computer/icons", "unsorted")
THEME_WORDS = {"hash", "theme", "magick", "unsorted"}  # of how a drawing came here, not of what it shows
LONGEST_KEYWORD = 64  # bytes of the name of a target


@dataclass
class Drawing:
    """path: in the folder; folder: its first two levels; keywords: None if none are said."""

    path: str
    folder: str
    title: str
    description: str
    keywords: list


def read_drawings(root, report):
    """[Drawing] in order of their paths. Links are drawings of other folders, and not used."""
    found, links, others = [], 0, 0
    for path in sorted(root.rglob("*.svg")):
        inside = path.relative_to(root)
        folder = "/".join(inside.parts[:-1][:2])
        if path.is_symlink():
            links += 1
        elif any(folder == other or folder.startswith(other + "/") for other in LEFT_OUT):
            others += 1
        else:
            try:
                found.append(_read(path, str(inside), folder))
            except ElementTree.ParseError as error:
                report.skipped(path.relative_to(root), f"broken drawing: {error}")
    report.note(f"{len(found)} drawings; not used: {links} links to others, {others} in "
                f"{', '.join(LEFT_OUT)}")
    return found


def _read(path, inside, folder):
    work = next((part for part in ElementTree.parse(path).iter() if _name(part) == "Work"), ())
    said = {_name(part): part for part in reversed(work)}
    words = [_text(item) for item in said["subject"].iter() if _name(item) == "li"] \
        if "subject" in said else []
    words = sorted({word for word in words if word and len(word.encode()) <= LONGEST_KEYWORD})
    return Drawing(inside, folder, _text(said.get("title")), _text(said.get("description")),
                   [word for word in words if word not in THEME_WORDS] if words else None)


def _name(part):
    return part.tag.rpartition("}")[2] if isinstance(part.tag, str) else ""


def _text(part):
    return plain_bytes((part.text or "") if part is not None else "").decode()


def frequent_keywords(drawings, least):
    """Those that at least so many drawings have, sorted."""
    counts = Counter(word for drawing in drawings for word in drawing.keywords or ())
    return sorted(word for word, count in counts.items() if count >= least)

"""Where the Debian packages of the emoji data set put their files, and readers of these files."""

import re
import shutil
import struct
import subprocess
from pathlib import Path
from xml.etree import ElementTree

from .errors import UserError

NOTO_FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
SYMBOLA_FONT = Path("/usr/share/fonts/truetype/ancient-scripts/Symbola_hint.ttf")
GEMOJIONE_GEMS = Path("/usr/share/rubygems-integration/all/gems")
ANNOTATIONS = Path("/usr/share/unicode/cldr/common/annotations")
EMOJI_TEST = Path("/usr/share/unicode/emoji/emoji-test.txt")
DOCUMENTATION = Path("/usr/share/doc")
SPEAKER = "espeak-ng"
PACKAGES = ("fonts-noto-color-emoji", "ruby-gemojione", "fonts-symbola", "unicode-cldr-core",
            "unicode-data", "espeak-ng")
NO_CMAP = "no usable character map (the package is damaged or of an unknown layout); reinstall it"


def require_packages():
    """UserError naming every package whose files are missing."""
    present = (NOTO_FONT.is_file(), bool(list(GEMOJIONE_GEMS.glob("gemojione-*"))),
               SYMBOLA_FONT.is_file(), ANNOTATIONS.is_dir(), EMOJI_TEST.is_file(),
               shutil.which(SPEAKER) is not None)
    missing = [package for package, there in zip(PACKAGES, present) if not there]
    if missing:
        raise UserError(f"not installed: {', '.join(missing)} (the emoji data set is made from "
                        "these Debian packages); run: apt-get install " + " ".join(missing))


def package_versions():
    """{package: version}: part of the plan and of the header; versions decide the content."""
    query = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *PACKAGES],
                           capture_output=True, text=True)
    found = dict(line.split(" ", 1) for line in query.stdout.splitlines())
    return {package: found.get(package) or "unknown" for package in PACKAGES}


def license_notes():
    """{name to store it under: path} of each package's license notes."""
    return {f"{package}.copyright.txt": DOCUMENTATION / package / "copyright"
            for package in PACKAGES}


def gemojione_pictures():
    """{code point: PNG path} of the single-code-point emoji of ruby-gemojione."""
    pictures = {}
    for path in GEMOJIONE_GEMS.glob("gemojione-*/assets/png/*.png"):
        if re.fullmatch("[0-9A-F]{2,6}", path.stem):
            pictures[int(path.stem, 16)] = path
    return pictures


def read_subgroups(path=EMOJI_TEST):
    """{code point: subgroup} of the emoji of one code point, not counting variation selectors."""
    subgroups, subgroup = {}, None
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# subgroup:"):
            subgroup = line.split(":", 1)[1].strip()
        elif ";" in line and not line.startswith("#"):
            points = [point for point in line.split(";")[0].split() if point != "FE0F"]
            if len(points) == 1 and subgroup:
                subgroups.setdefault(int(points[0], 16), subgroup)
    if not subgroups:
        raise UserError(f"{path}: names no emoji (it tells the subgroups); reinstall unicode-data")
    return subgroups


def read_names(language):
    """{code point: CLDR short name}; other annotations are keywords, left out."""
    path = ANNOTATIONS / f"{language}.xml"
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise UserError(f"{path}: {error} (it holds the emoji's names); reinstall "
                        "unicode-cldr-core") from None
    return {ord(entry.get("cp")): entry.text.strip() for entry in root.iter("annotation")
            if entry.get("type") == "tts" and len(entry.get("cp", "")) == 1
            and (entry.text or "").strip()}


def font_code_points(path):
    """The code points that a TrueType font has glyphs for, by its format-12 character map."""
    try:
        data = path.read_bytes()
        tables = {data[at:at + 4]: struct.unpack_from(">I", data, at + 8)[0]
                  for at in range(12, 12 + 16 * struct.unpack_from(">H", data, 4)[0], 16)}
        cmap = tables[b"cmap"]
        starts = [cmap + struct.unpack_from(">I", data, cmap + 8 + 8 * index)[0]
                  for index in range(struct.unpack_from(">H", data, cmap + 2)[0])]
        start = next(start for start in starts if struct.unpack_from(">H", data, start)[0] == 12)
        count = struct.unpack_from(">I", data, start + 12)[0]
        groups = struct.iter_unpack(">III", data[start + 16:start + 16 + 12 * count])
        return {point for first, last, _ in groups
                for point in range(first, min(last, 0x10FFFF) + 1)}
    except (OSError, struct.error, KeyError, StopIteration):
        raise UserError(f"{path}: {NO_CMAP}") from None

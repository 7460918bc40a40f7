"""The default data set: emoji as drawings, names and speech, from Debian packages.

A class is one emoji of a single code point; 1,082 have a drawing in all three styles and a name in
all nine languages (CLDR 41). A sample is one drawing with one name and its speech:

    image  32 x 32 RGB on white: noto (colour bitmaps in fonts-noto-color-emoji), gemojione (PNG
           files of ruby-gemojione) or symbola (black outlines of fonts-symbola)
    text   the emoji's short name in one language (unicode-cldr-core)
    audio  espeak-ng speaking that name: 8 kHz, 200 words a minute, cut after 1.5 s

Each style speaks three languages of its own, so a class has 9 samples, and support and query that
are kept apart by group (the style) never share a drawing or a language: noto en nl da; gemojione
de af sv; symbola lb is no. They are the nine Germanic languages that both CLDR and espeak-ng know:
names are cognates often enough ("red heart", "rotes Herz", "rood hart", "rautt hjarta") that a
person can match them. So that no two styles are much further apart than others, each has one of en
de lb, one of nl af is and one of da sv no.

Splits are by subgroup (emoji-test.txt of unicode-data), about 60/15/25 % of the classes; --seed
decides which. Some modalities are left out on purpose (--missing-rate). The license notes of the
packages go to OUT/licenses.
"""

import functools
import itertools

from .. import emoji_packages, emoji_plan, names, splits
from ..emoji_drawings import Drawer
from ..errors import UserError
from ..licenses import copy_notices
from ..shards import DatasetInfo, Modality, Sample, write_converted
from ..speech import WORDS_PER_MINUTE, Speaker

LANGUAGES = {"noto": ("en", "nl", "da"), "gemojione": ("de", "af", "sv"),
             "symbola": ("lb", "is", "no")}
VOICES = {"en": "en-us", "no": "nb"}  # where espeak-ng calls the language otherwise than CLDR
SIDE = 32  # halves four times in Conv4 without a rest
SAMPLE_RATE = 8000
LONGEST = 1.5  # seconds
LICENSE = ("noto: SIL OFL 1.1 (c) Google; gemojione: CC BY-SA 4.0 (c) Ranks.com; symbola: free for "
           "any use (c) George Douros; names: Unicode-DFS-2016; see the folder licenses")


def add_arguments(parser):
    splits.add_split_arguments(parser, "0.6,0.15,0.25", ", by subgroups")
    emoji_plan.add_missing_rate(parser, 0.1)


def convert(args, report):
    emoji_plan.check_missing_rate(args.missing_rate)
    emoji_packages.require_packages()
    drawer = Drawer(SIDE)
    spoken = {language: emoji_packages.read_names(language)
              for languages in LANGUAGES.values() for language in languages}
    subgroups = _classes(drawer, spoken)
    split_of = emoji_plan.split_subgroups(subgroups, args.seed,
                                          splits.chosen_fractions(args))
    emoji_plan.note_splits(report, split_of)
    versions = emoji_packages.package_versions()
    settings = {"side": SIDE, "sample_rate": SAMPLE_RATE, "longest": LONGEST,
                "speed": WORDS_PER_MINUTE, "missing": args.missing_rate}
    source = "Debian packages " + ", ".join(" ".join(pair) for pair in versions.items())
    info = DatasetInfo(args.name or "emoji", source, LICENSE, "cuttle-data emoji", settings)
    modalities = [Modality("image", names.KIND_IMAGE, (SIDE, SIDE, 3)),
                  Modality("text", names.KIND_TEXT),
                  Modality("audio", names.KIND_AUDIO, sample_rate=SAMPLE_RATE)]
    utterances, samples = [], []
    with Speaker(utterances, SAMPLE_RATE, LONGEST) as speaker:
        for point, style in itertools.product(sorted(subgroups), LANGUAGES):
            for language in LANGUAGES[style]:
                name = f"{point:x}/{style}/{language}"
                text = spoken[language][point]
                values = {"image": functools.partial(drawer.draw, style, point), "text": text,
                          "audio": functools.partial(speaker.fetch, len(utterances))}
                values = emoji_plan.leave_out(values, name, args.missing_rate, args.seed)
                if "audio" in values:
                    utterances.append((text, VOICES.get(language, language)))
                samples.append(Sample(name, f"{point:x} {spoken['en'][point]}", style,
                                      split_of[subgroups[point]], values))
        write_converted(args, report, info, modalities, samples)
    if not args.dry_run:
        copy_notices(args.out, emoji_packages.license_notes())


def _classes(drawer, spoken):
    """{code point: subgroup} of the emoji with all drawings, all names and a subgroup."""
    points = drawer.code_points()
    for known in spoken.values():
        points &= set(known)
    subgroups = {point: subgroup for point, subgroup in emoji_packages.read_subgroups().items()
                 if point in points}
    if not subgroups:
        raise UserError("no emoji has all drawings and names (the packages do not fit together); "
                        "reinstall them")
    return subgroups


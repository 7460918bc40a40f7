"""A folder of emoji drawings in several styles, with names in several languages.

The layout of ROOT (any program can make it; every text file is UTF-8, tab-separated, with a head):

    images/STYLE/CODEPOINTS.png     one drawing; CODEPOINTS: lower-case hex joined by "-", no fe0f
    annotations/LANGUAGE.tsv        columns codepoints and name; further columns are not used
    classes.tsv                     columns codepoints, label and subgroup; further ones not used
    ATTRIBUTION*, LICENSE*          copied to OUT/licenses

A class is a line of classes.tsv. A sample is a drawing with the name in the language that its style
is paired with: the first style in order of names with the first of --languages and so on; so
classes have at most one sample per style, and support and query share neither style nor language.
With more styles than languages the rest of the styles is left out.

    image  RGB on white, --size wide and high
    text   the name; missing if the language has none

The group is the style. Splits are by subgroup, about 60/15/25 % of the classes; --seed decides
which.
"""

import functools

from .. import emoji_plan, media, names, splits
from ..errors import UserError
from ..files import path_of
from ..licenses import copy_notices, notices_in
from ..shards import DatasetInfo, Modality, Sample, write_converted

LANGUAGES = "en,de,fr,es,it,pt,nl,sv,da"


def add_arguments(parser):
    parser.add_argument("root", type=path_of, metavar="ROOT", help="the folder described above")
    parser.add_argument("--languages", default=LANGUAGES, metavar="L1,L2,...",
                        help=f"one per style, in order of the styles' names (default: {LANGUAGES})")
    parser.add_argument("--size", default="32", help="image size, one number or HEIGHTxWIDTH "
                        "(default: 32)")
    splits.add_split_arguments(parser, "0.6,0.15,0.25", ", by subgroups")
    emoji_plan.add_missing_rate(parser, 0.0)


def convert(args, report):
    emoji_plan.check_missing_rate(args.missing_rate)
    size = media.parse_size(args.size)
    classes = _read_table(args.root / "classes.tsv", ("codepoints", "label", "subgroup"), report)
    classes = {points: (label, subgroup) for points, label, subgroup in classes}
    language_of = _pair(args.root, args.languages.split(","), report)
    split_of = emoji_plan.split_subgroups({p: s for p, (_, s) in classes.items()}, args.seed,
                                          splits.chosen_fractions(args))
    emoji_plan.note_splits(report, split_of)
    pictures = _pictures(args.root, language_of, classes, report)
    texts = {style: dict(_read_table(args.root / "annotations" / f"{language}.tsv",
                                     ("codepoints", "name"), report))
             for style, language in language_of.items()}
    samples = []
    for points, (label, subgroup) in classes.items():
        for style in language_of:
            path = pictures.get((style, points))
            if path:
                name = f"{points}/{style}/{language_of[style]}"
                values = {"image": functools.partial(media.load_image, path, size, 3)}
                if texts[style].get(points):
                    values["text"] = texts[style][points]
                values = emoji_plan.leave_out(values, name, args.missing_rate, args.seed)
                samples.append(Sample(name, f"{points} {label}", style, split_of[subgroup], values,
                                      media.file_fingerprint(path)))
    source = f"folder {args.root.resolve().name}: drawings in {len(language_of)} styles, names"
    info = DatasetInfo(args.name or "emoji_archive", source, "see the folder licenses",
                       "cuttle-data emoji_archive")
    modalities = [Modality("image", names.KIND_IMAGE, (*size, 3)),
                  Modality("text", names.KIND_TEXT)]
    write_converted(args, report, info, modalities, samples)
    if not args.dry_run:
        copy_notices(args.out, notices_in(args.root))


def _pair(root, languages, report):
    """{style: language}"""
    folder = root / "images"
    styles = sorted(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
    if not styles:
        raise UserError(f"{folder}: no folders of drawings (one per style is expected); name a "
                        "folder with the layout that --help describes")
    if len(set(languages)) < len(languages):
        raise UserError(f"--languages {','.join(languages)} names one twice (support and query "
                        "would share it); name different ones")
    for style in styles[len(languages):]:
        report.skipped(folder / style, "style without a language; see --languages")
    pairs = dict(zip(styles, languages))
    report.note("pairs: " + ", ".join(f"{style} {language}" for style, language in pairs.items()))
    return pairs


def _pictures(root, styles, classes, report):
    """{(style, codepoints): path}; what is no drawing of a class is reported."""
    pictures = {}
    for style in styles:
        for path in sorted((root / "images" / style).iterdir()):
            if path.suffix != ".png" or not path.is_file():
                report.skipped(path, "not a .png file")
            elif path.stem not in classes:
                report.skipped(path, "drawing of no class in classes.tsv")
            else:
                pictures[style, path.stem] = path
    return pictures


def _read_table(path, columns, report):
    """[values of the columns] of a table's lines, the first of the same first column only."""
    try:
        lines = path.read_text(encoding="utf-8-sig").rstrip("\n").split("\n")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror} (it is needed); name a folder with the layout "
                        "that --help describes") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8 (names could not be told); convert it") from None
    head = lines[0].split("\t")
    if not set(columns) <= set(head):
        lacking = ", ".join(column for column in columns if column not in head)
        raise UserError(f"{path}: the head line lacks {lacking} (columns are found by their names); "
                        f"expected {', '.join(columns)}, tab-separated")
    rows = {}
    for number, line in enumerate(lines[1:], 2):
        row = dict(zip(head, line.split("\t")))
        if not all(row.get(column, "").strip() for column in columns):
            report.skipped(f"{path.name}:{number}", f"line lacks one of {', '.join(columns)}")
        elif row[columns[0]] in rows:
            report.skipped(f"{path.name}:{number}", "second line of the same codepoints")
        else:
            rows[row[columns[0]]] = [row[column].strip() for column in columns]
    return list(rows.values())

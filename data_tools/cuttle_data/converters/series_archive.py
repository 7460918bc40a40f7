"""Series of the UCR, UEA, Monash and aeon archives: .ts, .arff and .tsv files.

ROOT is a file, or a folder with NAME_TRAIN and NAME_TEST at any depth, of one problem or several
(of one in several formats .ts is read, else .arff, else .tsv):

    .ts     headers (@timestamps, @classLabel, @targetLabel, ... in any case and order), @data, a
            case a line: channels between colons, values between commas, its class or target last;
            with time stamps (time,value), and the first channel is the time since the first step,
            of dates in days
    .arff   of one channel, or relational: "1,2\\n3,4",class
    .tsv    of UCR: label, tab, values, NaN at the end of shorter ones

A missing value (?, NaN or nothing) is a hole, and so is the rest of a channel that ends before
others of its case. A class is that of the file, PROBLEM/CLASS of several problems. The published
split cuts through classes: they are split by --splits and --seed, or with --published become
train/1, test/1 and so on. Where cases have a number to predict (`target`), a class is a problem:
of a single one --published makes train/NAME and test/NAME.
"""

import re

import numpy as np

from .. import folder_tree, media, names
from ..errors import UserError
from ..layouts import common
from ..layouts.series import PART, SUFFIXES, read
from ..shards import Modality, Sample

SERIES, TARGET = "series", "target"
# UEA has each channel of a problem in a file of its own, too.
ONE_CHANNEL = re.compile(r"(.+)Dimension\d+")


def add_arguments(parser):
    common.add_arguments(parser, by_class=True)


def convert(args, report):
    paths = _files(args.root, report)
    problems = [read(path, report) for path in report.progress(paths, len(paths), "files")]
    first, several = problems[0], len({problem.name for problem in problems}) > 1
    for problem in problems:
        _check_like(problem, first)
    samples = [sample for problem in problems for sample in _samples(problem, several)]
    targets = (TARGET, ) if first.regression else ()
    args.name = args.name or (args.command if several else first.name)
    common.write(args, report, f"{args.root.resolve().name}, an archive of series", samples,
                 [_modality(problems)], targets)


def _files(root, report):
    """The files of a folder, one for each problem and part. UserError if there is none."""
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise UserError(f"{root}: no such file or folder; name the folder of an archive")
    chosen, more = {}, 0
    found = [path for path in folder_tree.files_below(root, report)
             if path.suffix.lower() in SUFFIXES]
    for path in sorted(found, key=lambda path: SUFFIXES.index(path.suffix.lower())):
        more += path.stem in chosen
        chosen.setdefault(path.stem, path)
    problems = {_problem_of(stem) for stem in chosen}
    channels = [stem for stem in chosen if (match := ONE_CHANNEL.fullmatch(_problem_of(stem)))
                and match[1] in problems]
    for stem in channels:
        del chosen[stem]
    if more or channels:
        report.note(f"{more} files are others' problems in another format, and {len(channels)} one "
                    "channel of them: not used")
    if not chosen:
        raise UserError(f"{root}: no {', '.join(SUFFIXES)} file in it (nothing to convert); name "
                        "the folder of an archive")
    return [chosen[stem] for stem in sorted(chosen)]


def _problem_of(stem):
    match = PART.fullmatch(stem)
    return match[1] if match else stem


def _check_like(problem, first):
    """UserError unless both can be in one data set."""
    for what, of in (("the number of channels", lambda one: one.cases[0].steps.shape[1]),
                     ("time stamps", lambda one: one.timed),
                     ("a target in place of classes", lambda one: one.regression)):
        if of(problem) != of(first):
            raise UserError(f"{problem.path} and {first.path} differ in {what} (they would be one "
                            "data set); convert each alone")
    if not problem.regression and problem.cases[0].label is None:
        raise UserError(f"{problem.path}: neither @classLabel nor @targetLabel is true (nothing to "
                        "tell apart or to predict); give labelled series")


def _samples(problem, several):
    mark = media.file_fingerprint(problem.path)
    split = names.SPLIT_TEST if problem.part == "test" else names.SPLIT_TRAIN
    for case in problem.cases:
        class_name = problem.name if problem.regression else case.label
        if several and not problem.regression:
            class_name = f"{problem.name}/{case.label}"
        yield Sample(f"{problem.path.name}:{case.line}", class_name, "all", split,
                     {SERIES: case.steps}, mark,
                     (case.target, ) if problem.regression else None)


def _modality(problems):
    width, timed = problems[0].cases[0].steps.shape[1], problems[0].timed
    columns = ("time" + names.ELAPSED_SUFFIX, *[f"channel_{place}" for place in range(width - 1)])
    holes = any(np.isnan(case.steps).any() for problem in problems for case in problem.cases)
    return Modality(SERIES, names.KIND_SERIES, (width, ), columns=columns if timed else (),
                    holes=holes)

"""CMU-MOSI, CMU-MOSEI, CH-SIMS, IEMOCAP, UR-FUNNY, MUStARD: what was said, heard and seen, with sentiment.

ROOT is a pickle, a folder that holds one, or a folder of computational sequences:

    *.pkl          {train, valid, test}, each with text, audio, vision [segments, steps, features] and
                   labels and id (MulT, MultiBench) or regression_labels, id, raw_text, text_bert,
                   audio_lengths, vision_lengths (MMSA); what it holds decides, not its name
    *.csd          one sequence each, as the CMU Multimodal SDK writes them, one of them of labels; ids
                   VIDEO[3] are aligned, ids VIDEO are cut by the times of the labels. Beside them
                   *folds.py of the SDK gives the split (it is parsed, not run)

Padding before and behind is taken away: by the lengths that are given, else what is zero; of aligned
senses at the same steps. What is not finite (-inf in audio) is 0. A segment in which a sense is all
zero, or of which a sequence lacks the id, is without that sense. Targets are sentiment (so is called
what a segment has one of, humour and sarcasm, too), the seven values of MOSEI, or the four emotions
of IEMOCAP as 0 and 1. A class, what a task is drawn from, is a video.
"""

from ..errors import UserError
from ..layouts import affect, affect_pickles, common, csd, pickles

SOURCE = "speech with sentiment in the layout of CMU-MOSI (Zadeh et al. 2016)"


def add_arguments(parser):
    common.add_arguments(parser, by_class=False)
    parser.add_argument("--class", dest="class_from", choices=("video", affect.WHOLE), default="video",
                        help="what a task is drawn from: one video, or all videos of a split, "
                        "which are its groups then (default: video)")


def convert(args, report):
    samples, modalities, targets = _read(args, report)
    for sample in samples:
        if args.class_from == affect.WHOLE:
            sample.class_name = affect.WHOLE
        else:
            sample.group = "all"
    if targets[:1] == affect.MOSEI[:1]:
        affect.note_of_strength(samples, report)
    common.write(args, report, SOURCE, samples, modalities, targets)


def _read(args, report):
    if args.root.is_file():
        held, sequences = [args.root], []
    else:
        common.check_root(args)
        held, sequences = ([path for path in sorted(args.root.iterdir()) if path.suffix in suffixes]
                           for suffixes in (pickles.SUFFIXES, (csd.SUFFIX, )))
    if len(held) + bool(sequences) != 1:
        found = ", ".join(path.name for path in [*held, *sequences[:1]]) or "none"
        raise UserError(f"{args.root}: one pickle, or computational sequences ({csd.SUFFIX}), are "
                        f"converted at a time (found: {found}); name one pickle")
    if sequences:
        return csd.read(sequences, report)
    with common.as_laid_out(held[0], args.command):
        return affect_pickles.read(held[0], report)

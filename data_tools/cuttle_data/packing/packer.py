"""Everything given -> one shard that a model accepts."""

from collections import Counter
from dataclasses import replace

from .. import names
from ..errors import UserError
from ..files import SHARD_SUFFIX
from ..frame.opening import is_table
from ..graphs import GRAPH_SUFFIXES, is_graph
from ..media import read_options
from ..schema import check_samples
from ..shard_file import ShardStream
from ..shards import DatasetInfo, load_sample
from ..tables import TargetTable
from .given_files import FileSamples, place_of


def pack(args, layout, report, more=()):
    """Writes args.out by the arguments of converters/pack.py, with more FileSamples. UserError if
    nothing can be used."""
    if args.out.suffix != SHARD_SUFFIX:
        raise UserError(f"--out {args.out} must end with {SHARD_SUFFIX}")
    if not args.out.parent.is_dir():
        raise UserError(f"--out {args.out}: there is no folder {args.out.parent}; make it first")
    files, tables, layout = _given(args, layout, report)
    files += more
    if not files and not tables:
        raise UserError(f"no input is a file that the model of {layout.path} has a sense for; see "
                        "what was skipped")
    targets = _targets(files, tables, args, layout, report)
    with ShardStream(args.out, layout.modalities) as stream:
        names = Counter()
        for sample in _loaded(files, tables, layout, targets, report):
            names[sample.name] += 1
            if names[sample.name] > 1:
                sample.name += f"#{names[sample.name]}"
            stream.add(sample)
        if not len(stream):
            raise UserError("no usable sample (every file or row was skipped); see what was "
                            "skipped")
        _tell(stream, files, layout, report)
        if args.dry_run:
            report.note("dry run: nothing written")
            return
        stream.finish(DatasetInfo("packed", "files given to cuttle-data pack", "not stated",
                                  "cuttle-data pack", targets=targets))
    report.note(f"wrote {args.out}")


def _given(args, layout, report):
    """([FileSample], [(name before those of its samples, GivenTable)], the layout with the names of
    the first table's columns where it had none)"""
    files = FileSamples(layout.modalities, read_options(args), report)
    tables = []
    for argument in args.inputs:
        path, label = place_of(argument)
        label = None if args.no_labels else label
        graphs = all(modality.kind == names.KIND_GRAPH for modality in layout.modalities)
        graph = path.suffix.lower() in GRAPH_SUFFIXES and (graphs or is_graph(path))
        if path.is_file() and is_table(path) and not graph:
            from .given_tables import GivenTable  # which loads pyarrow
            table = GivenTable(path, label, layout, args, report)
            tables.append((f"{path} " if len(args.inputs) > 1 else "", table))
            layout = replace(layout, modalities=table.modalities())
        else:
            files.add(path, label)
    for sample in files.samples if args.no_labels else ():
        sample.class_name = None
    return files.samples, tables, layout


def _targets(files, tables, args, layout, report):
    """The names of the targets that the samples have; files get theirs."""
    table = None
    if args.targets and files:
        if isinstance(args.targets, str):
            raise UserError(f"--targets {args.targets}: no such file (the files' targets are in "
                            "one); give a CSV table")
        table = TargetTable(args.targets)
    found = [(str(given.path), given.targets) for _, given in tables]
    if files:
        found.append((str(args.targets or "the files"), table.names if table else ()))
    where, names = found[0]
    for other, others in found:
        if others != names:
            raise UserError(
                f"{where} has the targets {', '.join(names) or 'none'}, and {other} has "
                f"{', '.join(others) or 'none'} (all samples of a shard have the same); pack them "
                "apart")
    wanted = layout.target_names
    if names and (names != wanted if wanted else len(names) != layout.targets):
        raise UserError(
            f"{where} has the targets {', '.join(names)}, but {layout.path} has "
            f"{', '.join(wanted) or layout.targets or 'none'} (a model predicts what it was "
            "trained on); name the columns so")
    if not names and layout.targets and not args.no_labels:
        report.note(f"without the targets of {layout.path} "
                    f"({', '.join(wanted) or layout.targets}): for predict; adapt needs --targets")
    if table:
        files[:] = table.give(files, report, lambda sample: (sample.name, sample.stem))
    check_samples(files, layout.modalities, names if table else ())
    return names


def _loaded(files, tables, layout, targets, report):
    """Each Loaded, one after the other."""
    for sample in report.progress(files, len(files), "files"):
        loaded = load_sample(sample, layout.modalities, report.skipped, targets, report.doubted)
        if loaded:
            yield loaded
    for before, given in tables:
        for loaded in given.samples():
            loaded.name = before + loaded.name
            yield loaded


def _tell(stream, files, layout, report):
    classes = stream.class_names()
    for name in dict.fromkeys(sample.class_name for sample in files):
        if name is not None and name not in classes:
            report.skipped(f"class {name}", "class without a usable sample")
    absent = [m.name for m in layout.modalities if m.name not in stream.present()]
    if absent:
        report.note(f"no sample has {', '.join(absent)}: the shard does without, so does the model")
    report.note(f"{len(stream)} samples, {stream.labelled()} of them labelled, "
                f"{len(classes)} classes, laid out like {layout.name}")

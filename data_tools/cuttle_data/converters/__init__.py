"""Converters: each module of this package is one `cuttle-data <module name>` command.

A module is found by its file name (nothing to register) and has a docstring, whose first line is
the help text, and

    def add_arguments(parser): ...          # its own arguments, on an argparse parser
    def convert(args, report) -> None: ...  # plans its samples and calls shards.write_dataset

The command line has already added, so do not add again: args.out (pathlib.Path), args.shards,
args.seed, args.dry_run, args.overwrite, args.name (data set name or None: choose one). A module
that sets `SINGLE_FILE = True` writes one shard file (pack): it gets --out and --dry-run only, and
what it says goes to standard error.
`ALIASES` are further names of the command. One that splits by fractions takes --splits and
--all-test from splits.add_split_arguments, one that reads files media.add_read_arguments.

`report` (report.Report) is where everything worth saying goes; converters never print:

    report.skipped(what, reason)  # left out although asked for: a broken file, a lonely side file
    report.doubted(what, reason)  # used, though it looks wrong: a picture that is nearly black
    report.note(text)             # a decision or fact for the summary: "splits by folders"
    report.warn(text)             # a fact that will get in the way: "no validation class"
    report.progress(iterable, total, label)  # wraps an iterable; a bar on a terminal, else silent

Errors for people: raise errors.UserError("problem (why it matters); what to do") to refuse the
whole conversion (exit code 2), errors.BadInput("reason") inside a loader to leave out one modality
of one sample.
"""

import pkgutil


def converter_names():
    """The names of the commands, sorted; their modules are loaded when they are needed."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))

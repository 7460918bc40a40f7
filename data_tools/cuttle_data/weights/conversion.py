"""From a source to Weights: whose tensors they are, under which names, and whether everything fits."""

import json
import re
from collections import Counter

from ..errors import UserError
from . import architectures, source, tensors
from .weights_file import FORMAT, Weights, check_fit

COUNTERS = re.compile(r"(?:^|\.)(?:position_ids|num_batches_tracked)$")
SECTIONS = ("sizes", "preprocessing", "output", "tokenizer")
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
    if section not in SECTIONS or key not in record.get(section, {}):
        keys = [f"{one}.{key}" for one in SECTIONS for key in record.get(one, {}) if key != "sha256"]
        raise UserError(f"--set {text}: no such key; write KEY=VALUE with one of {', '.join(keys)}")
    try:
        value = json.loads(value)
    except ValueError:
        value = value.strip()
    known = record[section][key]
    if known is not None and _kind(known) != _kind(value):
        raise UserError(f"--set {text}: {path} is {json.dumps(known)} now (what replaces it has to be of that "
                        "kind); write it as JSON, such as 12, true, [1, 2]")
    record[section][key] = value


def _kind(value):
    if isinstance(value, list):
        return [_kind(one) for one in value]
    return "number" if type(value) in (int, float) else type(value).__name__

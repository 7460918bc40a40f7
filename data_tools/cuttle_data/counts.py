"""How many classes and samples a data set has, by split: for the summary and dataset.json."""

from collections import Counter

from . import names
from .schema import SPLITS


def counts_of(samples, values_of):
    """{split: {"classes": {name: samples}, "samples": n, "present": {modality: n}}} of samples."""
    counts = {}
    for sample in samples:
        entry = counts.setdefault(sample.split,
                                  {"classes": Counter(), "samples": 0, "present": Counter()})
        if sample.class_name is not None:
            entry["classes"][sample.class_name] += 1
        entry["samples"] += 1
        entry["present"].update(list(values_of(sample)))
    return counts


def merged(all_counts):
    """The sum of counts of shards, in order of the splits."""
    total, all_counts = {}, list(all_counts)
    for split in SPLITS:
        for counts in (counts[split] for counts in all_counts if split in counts):
            entry = total.setdefault(split, {"classes": Counter(), "samples": 0,
                                             "present": Counter()})
            entry["samples"] += counts["samples"]
            for key in ("classes", "present"):
                entry[key].update(counts[key])
    return total


def report_counts(report, modalities, counts):
    """A table of merged counts; a warning where training would have no class to be measured by."""
    report.table("data set", ["split", "classes", "samples", *[m.name for m in modalities]],
                 [[split, len(entry["classes"]), entry["samples"],
                   *[entry["present"].get(m.name, 0) for m in modalities]]
                  for split, entry in counts.items()])
    if counts.get(names.SPLIT_TRAIN, {}).get("classes"):
        for split in SPLITS:
            if not counts.get(split, {}).get("classes"):
                report.warn(f"no {split} class (runs that need the split {split} refuse this data "
                            "set); give more classes, or other splits")

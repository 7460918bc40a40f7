"""Pickles of speech with sentiment, as MulT, MultiBench and MMSA have them: train, valid, test, each
with text, audio and vision [segments, steps, features]."""

import functools

import numpy as np

from .. import names, splits
from ..media import file_fingerprint
from ..shards import Modality, Sample
from ..texts import plain_bytes
from . import affect, pickles

SENSES = ("text", "audio", "vision")
RAW_TEXT = "raw_text"
IEMOCAP = ("neutral", "happy", "sad", "angry")


def read(path, report):
    """(samples whose groups are their videos, modalities, names of targets)."""
    held = pickles.keyed(pickles.load(path))
    mark, samples, widths, targets = file_fingerprint(path), [], {}, ()
    for name, content in held.items():
        split, content = splits.split_of_folder(name), pickles.keyed(content)
        if split is None:
            report.skipped(f"{path.name}: {name}", "neither train nor valid nor test")
            continue
        part = _Part(split, content)
        samples += part.samples(mark, report)
        if (widths or part.widths(), targets or part.targets) != (part.widths(), part.targets):
            raise ValueError(f"{name} has other features or labels than the splits before it")
        widths, targets = part.widths(), part.targets
    modalities = [Modality(name, names.KIND_SERIES, (width, )) for name, width in widths.items()]
    return samples, [*modalities, Modality(RAW_TEXT, names.KIND_TEXT)], targets


class _Part:
    """One split. senses: {name: [segments, steps, features]}; lengths: {name: steps that are no
    padding} where that is said; aligned: step i of all senses is the same word."""

    def __init__(self, split, content):
        self.split_ = split
        self.senses_ = {name: np.asarray(content[name]) for name in SENSES if name in content}
        self.targets, self.labels_ = _labels(content)
        if not self.senses_ or any(array.ndim != 3 or array.dtype.kind not in "fiu" or
                                   len(array) != len(self.labels_)
                                   for array in self.senses_.values()):
            raise ValueError("text, audio and vision are not numbers [segments, steps, features], as "
                             "many as there are labels")
        steps = {array.shape[1] for array in self.senses_.values()}
        given = {name: content[f"{name}_lengths"] for name in self.senses_
                 if f"{name}_lengths" in content}
        self.aligned_ = len(steps) == 1 and not given
        bert = content.get("text_bert")
        if bert is not None:  # ids, mask and types of the tokens
            for name in self.senses_ if self.aligned_ else ("text", ):
                given.setdefault(name, (np.asarray(bert)[:, 1] > 0).sum(axis=1))
        self.lengths_ = {name: self._for_each(lengths) for name, lengths in given.items()}
        self.ids_ = self._for_each(
            content.get("id", [f"{split}_{row}" for row in range(len(self.labels_))]))
        self.words_ = self._for_each(content.get(RAW_TEXT, [""] * len(self.labels_)))

    def _for_each(self, values):
        if len(values) != len(self.labels_):
            raise ValueError(f"{len(values)} lengths, ids or texts for {len(self.labels_)} labels")
        return values

    def widths(self):
        return {name: array.shape[2] for name, array in self.senses_.items()}

    def samples(self, mark, report):
        found = []
        for row, labels in enumerate(self.labels_):
            name, video = _names(self.ids_[row])
            if not np.isfinite(labels).all():
                report.skipped(name, "its label is no number")
                continue
            values = {sense: functools.partial(self._series, sense, row) for sense in self.senses_}
            words = plain_bytes(pickles.text_of(self.words_[row]))
            if words:
                values[RAW_TEXT] = words.decode()
            found.append(Sample(name, video, video, self.split_, values,
                                f"{mark} {self.split_} {row}",
                                tuple(labels.tolist())))
        return found

    def _series(self, sense, row):
        steps, bad = affect.cleaned(self.senses_[sense][row])
        if sense in self.lengths_:
            steps = steps[:int(self.lengths_[sense][row])]
        else:
            steps = steps[self._content(sense, row)]
        return affect.as_series(steps, bad)

    def _content(self, sense, row):
        """The steps between the padding: aligned senses begin with the first word."""
        together = self.senses_ if self.aligned_ else [sense]
        seen = _seen(*(self.senses_[name][row] for name in together))
        words = _seen(self.senses_["text"][row]) if "text" in together else ()
        if not len(seen):
            return slice(0)
        return slice((words if len(words) else seen)[0], seen[-1] + 1)


def _seen(*arrays):
    """The steps at which any of these has a number."""
    return np.flatnonzero(np.any([affect.cleaned(array)[0].any(axis=1) for array in arrays], axis=0))


def _labels(content):
    """(names, float32 [segments, names])."""
    if "regression_labels" in content:
        keys = ["regression_labels",
                *(f"regression_labels_{sense}" for sense in "TAV"
                  if f"regression_labels_{sense}" in content)]
        columns = [np.asarray(content[key], np.float32).reshape(-1, 1) for key in keys]
        return tuple(key.replace("regression_labels", affect.MOSEI[0]) for key in keys), np.hstack(columns)
    labels = np.asarray(content["labels"], np.float32)
    if labels.shape[1:] == (len(IEMOCAP), 2):  # no, yes
        return IEMOCAP, labels.argmax(axis=2).astype(np.float32)
    labels = labels.reshape(len(labels), -1)
    return affect.label_names(labels.shape[1]), labels


def _names(held):
    """(the segment's name, its video) of an id: VIDEO$_$3, VIDEO[3] or (VIDEO, start, end)."""
    parts = [pickles.text_of(part) for part in np.ravel(np.asarray(held, object))]
    if len(parts) == 3:
        return f"{parts[0]}[{parts[1]},{parts[2]}]", parts[0]
    return parts[0], affect.video_of(parts[0]) or affect.WHOLE

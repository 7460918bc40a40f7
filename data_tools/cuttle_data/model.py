"""An adapted model that answers from Python:

    from cuttle_data import load

    with load("mine.adapted") as model:
        for answer in model.predict(["a.png", "photos", "table.csv", {"text": "hello"}]):
            print(answer.sample, answer.label, answer.probability, answer.probabilities)

The program (`cuttle predict --stream`) runs as one process beside, as long as the model is open.
What could not be used is logged to the logger "cuttle_data". Not for several threads at once.
"""

import argparse
import json
import logging
import numbers
import os
import re
import shutil
import subprocess
import tempfile
import weakref
from dataclasses import dataclass, field
from pathlib import Path

from .converters import pack
from .errors import ProgramError, UserError, refusal_of
from .files import path_of
from .packing.given_values import sample_of
from .packing.layout import layout_of_adapted
from .packing.packer import pack as pack_given
from .report import Report

PATIENCE = 5  # seconds until a process that is asked to end is killed
REFUSED = 2  # the exit code of the program when its user must change something
SAYS_WHY = re.compile(r"^[0-9:]+ error: ", re.M)  # begins the program's last words
log = logging.getLogger("cuttle_data")


@dataclass(frozen=True)
class Answer:
    """To one sample. label, probability: None for a sample of which the model sees nothing, or
    that is rejected; probabilities: {class: of each}; known: the share of genuine samples of a
    class that are as far from it, None if the file does not say; values: what a model of values
    predicts, else None; deviations: the standard deviations of these, low and high: quantiles around
    them, expected: the means of ratings, each None if it predicts none; labels: those that a model
    of labels tells, their probabilities being those of all."""

    sample: str
    label: str = None
    probability: float = None
    probabilities: dict = field(default_factory=dict)
    known: float = None
    rejected: bool = False
    values: tuple = None
    deviations: tuple = None
    low: tuple = None
    high: tuple = None
    expected: tuple = None
    labels: tuple = None


def load(path, reject=0.0):
    """The Model of a file of `cuttle adapt`. reject: no label for what is farther from every class
    than all but this share of genuine samples (as `cuttle predict --reject`). UserError if it is no
    such file or share, or the program is nowhere."""
    return Model(path, reject)


class Model:

    def __init__(self, path, reject=0.0):
        if not _is_path(path):
            raise UserError(f"load({path!r}): no path; give a file of cuttle adapt")
        number = isinstance(reject, numbers.Real) and not isinstance(reject, bool)
        if not number or not 0 <= reject <= 1:
            raise UserError(f"reject={reject!r} is no share of samples; give a number from 0 to 1, "
                            "such as 0.05")
        self.path_, self.reject_ = path_of(os.fspath(path)), float(reject)
        try:
            self.layout_ = layout_of_adapted(self.path_)
        except OSError as error:
            raise UserError(refusal_of(error)) from None
        if not self.layout_:
            raise UserError(f"{path}: no adapted model; make one of a run and a few examples with "
                            "cuttle adapt")
        self.folder_ = tempfile.TemporaryDirectory(prefix="cuttle-")
        self.child_, self.packed_, self.asked_, self.unread_ = None, 0, 0, False
        self._start()

    def predict(self, inputs):
        """An Answer for each sample, as they come. inputs: one or a list of files, folders and
        tables, as `cuttle-data pack` takes them, and dicts {sense: array or text}, which are called
        "input 0" and so on. Pictures are uint8 of any size, [height, width, 3] or [height, width],
        videos the same with [frames, ...] before;
        sounds int16, or floats in [-1, 1], at the model's sample rate. UserError if nothing can be
        used; ProgramError if the program fails: the next call starts it again."""
        try:
            alone = isinstance(inputs, (str, bytes, os.PathLike, dict))
            several = iter([inputs] if alone else inputs)
        except TypeError:
            several = [inputs]
        return self._answers(self._packed(list(several)))

    def close(self):
        """Ends the program."""
        if self.child_:
            self.end_()
        self.child_ = None
        self.folder_.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def _start(self):
        # A session of its own: Ctrl-C is this process's matter.
        said = tempfile.TemporaryFile()
        words = [program(), "predict", str(self.path_), "--stream", "--reject", str(self.reject_)]
        self.child_ = subprocess.Popen(words,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said,
                                       start_new_session=True)
        self.said_, self.unread_ = said, False
        self.end_ = weakref.finalize(self, _end, self.child_)

    def _packed(self, inputs):
        """A shard of all inputs, by its path."""
        if not os.path.isdir(self.folder_.name):
            raise UserError(f"{self.path_}: this model was closed; load it again")
        if not inputs:
            raise UserError("nothing was given; give files, folders, tables or dicts {sense: "
                            "value}")
        self.packed_ += 1
        out = Path(self.folder_.name) / f"{self.packed_}.h5"
        for index, given in enumerate(inputs):
            if not isinstance(given, dict) and not _is_path(given):
                raise UserError(
                    f"input {index} is of the type {type(given).__name__} (nothing says which of "
                    "the model's senses it is); give a path, or a dict such as "
                    f"{{{self.layout_.modalities[0].name!r}: value}}")
        places = [os.fspath(given) for given in inputs if not isinstance(given, dict)]
        arrays = [sample_of(given, f"input {index}", self.layout_.modalities)
                  for index, given in enumerate(inputs) if isinstance(given, dict)]
        parser = argparse.ArgumentParser()
        pack.add_arguments(parser)
        args = parser.parse_args(["--like", str(self.path_), "--no-labels", "--", "-"])
        args.inputs, args.out, args.dry_run = places, out, False
        report = Report()
        try:
            pack_given(args, self.layout_, report, arrays)
        except OSError as error:
            raise UserError(refusal_of(error)) from None
        finally:
            report.notes.clear()
            for line in report.summary().splitlines():
                log.warning("%s", line)
        return out

    def _answers(self, shard):
        try:
            self._ask(shard)
            mine = self.asked_
            while (answer := self._read()) is not None:
                yield answer
                if mine != self.asked_:
                    raise UserError("the next predict came before all of these answers were read; "
                                    "read them first")
        except KeyboardInterrupt:  # a line may be half read
            if self.child_:
                self.child_.kill()
                self._stop()
            raise
        finally:
            shard.unlink(missing_ok=True)

    def _ask(self, shard):
        if self.child_ is None:
            self._start()
        while self.unread_:  # answers that nobody wanted any more
            self._line()
        self.asked_ += 1
        try:
            self.child_.stdin.write(json.dumps({"shard": str(shard)}).encode() + b"\n")
            self.child_.stdin.flush()
        except OSError:
            self._fail("it reads no more")
        self.unread_ = True

    def _read(self):
        """The next Answer, or None after the last one."""
        said = self._line()
        if "error" in said:
            raise ProgramError(f"{self.path_}: {said['error']}")
        if "sample" not in said:
            return None
        numbers = (None if said.get(key) is None else tuple(said[key])
                   for key in ("values", "deviations", "low", "high", "expected", "labels"))
        return Answer(said["sample"], said.get("class"), said.get("probability"),
                      said.get("probabilities") or {}, said.get("known"),
                      said.get("rejected", False), *numbers)

    def _line(self):
        """What the program says next; after "done" or "error" nothing is unread."""
        line = self.child_.stdout.readline()
        if not line.endswith(b"\n"):
            self._fail("it ended")
        try:
            said = json.loads(line)
        except ValueError:
            said = None
        if not isinstance(said, dict) or not {"sample", "done", "error"} & said.keys():
            self._fail(f"it said {line[:80]!r}")
        self.unread_ = "sample" in said
        return said

    def _fail(self, what):
        code = self._stop()
        self.said_.seek(0)
        said = self.said_.read().decode("utf-8", "replace").strip()
        if code == REFUSED and said:
            raise UserError(SAYS_WHY.split(said)[-1])
        last = said.splitlines()[-5:]
        raise ProgramError(f"{self.path_}: the program that answers failed ({what}; exit code "
                           f"{code}): {' / '.join(last) or 'it gave no reason'}")

    def _stop(self):
        child, self.child_ = self.child_, None
        self.end_()
        return child.returncode


def _is_path(given):
    return isinstance(given, (str, os.PathLike)) and isinstance(os.fspath(given), str)


def _end(child):
    """It ends when nothing more can come, and is killed if it does not."""
    try:
        child.stdin.close()
    except OSError:
        pass
    child.stdout.close()
    try:
        child.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def program():
    """The path of the program: CUTTLE_PROGRAM, else the one built beside or installed with these
    tools, else that of PATH. UserError if there is none."""
    given = os.environ.get("CUTTLE_PROGRAM")
    tools = Path(__file__).resolve().parents[1]
    places = [Path(given)] if given else [
        tools.parent / "build/release/cuttle", *(top / "bin/cuttle" for top in tools.parents[2:3])]
    for place in places:
        if place.is_file() and os.access(place, os.X_OK):
            return str(place)
    found = None if given else shutil.which("cuttle")
    if not found:
        raise UserError(f"{given or 'cuttle'}: no such program (it computes the answers); build it "
                        "with launch/quickstart.sh, or name it in CUTTLE_PROGRAM")
    return found

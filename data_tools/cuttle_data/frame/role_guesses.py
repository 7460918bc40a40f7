"""What each column is for: given by options, else guessed by names and contents where only one
reading is possible; where there are several, the command is refused and says which."""

import re

import numpy as np

from ..errors import UserError
from . import cells, guesses
from .guesses import CATEGORY, DATE, LABELS, MEDIA, NUMBER, TEXT
from .roles import Roles, split_numbers

NONE = "none"  # instead of a column: there is none
CLASS_NAMES = {
    "label", "labels", "class", "classname", "classlabel", "labelname", "category", "classid",
    "labelid", "species"
}
EITHER_NAMES = {"target", "y", "response", "outcome", "score", "rating", "diagnosis"}
ID_NAMES = {
    "id", "patient", "subject", "user", "participant", "person", "case", "sample", "series",
    "sequence", "recording", "uid", "uuid"
}
ORDER_NAMES = {
    "time", "timestamp", "t", "date", "datetime", "day", "hour", "minute", "second", "step",
    "visit", "frame", "week", "month", "year", "timepoint"
}
GROUP_NAMES = {"group", "speaker", "session"}
SPLIT_NAMES = {"split", "subset", "partition"}


def decide(args, frame, types):
    """The Roles. UserError for unknown or doubly used columns, and where a guess is not certain."""
    return _Guess(args, frame, types).roles()


def plain(name):
    """A column's name as it is looked up."""
    return re.sub(r"[^a-z0-9]+", "", name.casefold())


def is_id(name):
    """Whether it is called like what several rows may share, or a row's own."""
    word = plain(name)
    return word in ID_NAMES or (word.endswith("id") and word[:-2] in ID_NAMES)


class _Guess:

    def __init__(self, args, frame, types):
        self.args_, self.frame_, self.types_ = args, frame, types
        self.codes_ = {}
        self.found_ = Roles()
        self.taken_ = set()

    def roles(self):
        self._take_given()
        self._guess_split()
        self._guess_class()
        self._guess_group()
        self._guess_id()
        self._choose_values()
        return self.found_

    def _codes(self, name):
        if name not in self.codes_:
            self.codes_[name] = cells.codes_of(self.frame_.columns[name])[0]
        return self.codes_[name]

    def _refuse(self, problem, advice):
        raise UserError(f"{self.frame_.path}: {problem}; {advice}")

    # What the options say

    def _take_given(self):
        given = self.args_
        targets = tuple(given.targets.split(",")) if given.targets else ()
        singles = {
            "class_column": given.class_column,
            "group": given.group,
            "split": given.split,
            "id": given.id,
            "order": given.order,
            "labels": given.labels
        }
        for role, name in singles.items():
            if name and name != NONE:
                self._take(name)
                setattr(self.found_, role, name)
                if role != "labels":
                    self.frame_.check_plain(name)
        for name in targets:
            self.frame_.check_plain(name)
            if name not in self.found_.targets:  # twice: refused where they are checked for all
                self._take(name)
        self.found_.targets = targets
        ignored = given.ignore.split(",") if given.ignore else ()
        for name in ignored:
            self._take(name)
            self.found_.unused[name] = "--ignore"
        for name in given.values.split(",") if given.values else ():
            self._take(name)

    def _take(self, name):
        self.frame_.check_column(name)
        if name in self.taken_:
            self._refuse(f"column {name} is to be two things (a target must not be learned from)",
                         "name it once")
        self.taken_.add(name)

    def _asked(self, option):
        """Whether an option says anything of a role, be it "none"."""
        return getattr(self.args_, option) is not None

    def _free(self, *types):
        """Columns without a role so far, of these types (all if none is given)."""
        return [
            name for name, kind in self.types_.items()
            if name not in self.taken_ and (kind in types or not types)
        ]

    # What the table says

    def _guess_split(self):
        if self._asked("split") or self._asked("splits") or self.args_.all_test:
            return
        for name in self._free(CATEGORY, TEXT):
            if plain(name) in SPLIT_NAMES and (split_numbers(self.frame_.columns[name])
                                                >= 0).all():
                self.found_.split = name
                self.taken_.add(name)
                return

    def _guess_class(self):
        if self._asked("class_column"):
            return
        named = [
            name for name in self._free(CATEGORY, NUMBER, TEXT, LABELS)
            if plain(name) in CLASS_NAMES and self.types_[name] != LABELS
        ]
        either = [
            name for name in self._free(CATEGORY, NUMBER, TEXT) if plain(name) in EITHER_NAMES
        ]
        named += [name for name in either if self.types_[name] != NUMBER]
        either = [name for name in either if self.types_[name] == NUMBER]
        if named:
            self._set_class(self._one_of(named, either), "by its name")
        elif len(either) == 1 and not self.found_.targets and not self.found_.labels:
            self._class_or_target(either[0])
        else:
            self._set_class(self._only(self._repeated(CATEGORY)), "the only categories")

    def _one_of(self, named, either):
        """The column that all others of these say the same as; they are not used."""
        first = next((name for name in named if self.types_[name] != NUMBER), named[0])
        others = [name for name in [*named, *either] if name != first]
        different = [
            name for name in others
            if not cells.same_partition(self._codes(first), self._codes(name))
        ]
        if different and not self.found_.targets:
            self._refuse(f"the class may be {' or '.join([first, *different])} (they differ)",
                         f"give --class {first}, and --ignore or --targets for the others")
        for name in set(others) - set(different):
            self.taken_.add(name)
            self.found_.unused[name] = f"says the same as {first}"
        return first

    def _class_or_target(self, name):
        """A column of numbers called `target` or `y`: few whole ones are classes."""
        column = cells.numbers_of(self.frame_.columns[name], self.frame_.decimal)
        values = np.unique(column[np.isfinite(column)])
        like_class = (values == np.floor(values)).all() and len(values) <= len(column) / 2
        others = self._repeated(CATEGORY) + [
            n for n in self._ids() if n not in self._repeated(CATEGORY)
        ]
        if not like_class:
            self.taken_.add(name)
            self.found_.targets = (name, )
            self.found_.guessed[name] = "by its name; too many numbers for classes"
            self._set_class(self._only(others), "nothing else repeats")
        elif others:
            self._refuse(f"column {name} may be the class or a number to predict",
                         f"give --class {name}, or --class {others[0]} --targets {name}")
        else:
            self._set_class(name, "by its name; few whole numbers")

    def _repeated(self, *types):
        return [
            name for name in self._free(*types) if plain(name) not in GROUP_NAMES | SPLIT_NAMES
        ]

    def _ids(self):
        """Repeated columns that are called like an id."""
        return [
            name for name in self._free(NUMBER, CATEGORY, TEXT)
            if is_id(name) and self._repeats(name)
        ]

    def _repeats(self, name):
        codes = self._codes(name)
        return len(np.unique(codes)) < len(codes)

    def _only(self, candidates):
        if len(candidates) == 1:
            return candidates[0]
        without = "or --class none for rows to predict"
        if candidates:
            self._refuse(f"the class may be {' or '.join(candidates)}",
                         f"give --class with one of them, {without}")
        lists = self._free(LABELS)
        if lists:
            without += f"; --labels {lists[0]} predicts its lists, tasks are then of a --class"
        self._refuse(f"no column says the class: {', '.join(self.frame_.columns)}",
                     f"give --class COLUMN, {without}")
        return None

    def _set_class(self, name, why):
        self.taken_.add(name)
        self.found_.class_column = name
        self.found_.guessed[name] = why

    def _guess_group(self):
        named = [name for name in self._free(CATEGORY, NUMBER, TEXT) if plain(name) in GROUP_NAMES]
        if not self._asked("group") and len(named) == 1:
            self.found_.group = named[0]
            self.taken_.add(named[0])

    def _guess_id(self):
        if not self._asked("id"):
            self._name_ids()
        found = self.found_
        found.series = bool(found.id and self._repeats(found.id))
        if found.series and not self._asked("order"):
            found.order = self._order()
            self.taken_ |= {found.order} - {None}
        if self.args_.times and not (found.series and found.order):
            self._refuse("--times is of rows of one sample in their order, and nothing says these",
                         "give --id and --order")

    def _name_ids(self):
        names = [name for name in self._free(NUMBER, CATEGORY, TEXT) if is_id(name)]
        for name in names:
            if not self._repeats(name) and not self.found_.id:
                self.found_.id = name
                self.taken_.add(name)
        repeated = self._ids()
        if len(repeated) > 1:
            self._refuse(
                f"{' and '.join(repeated)} repeat", "give --id with the one whose rows are one "
                "sample, or --group with the one that must not straddle support and query")
        if repeated and not self.found_.id:
            self._measurements_or_group(repeated[0])

    def _measurements_or_group(self, name):
        ids, found = self._codes(name), self.found_
        classes = self._codes(found.class_column) if found.class_column else np.zeros_like(ids)
        constant = found.class_column and cells.constant_within(classes, ids)
        ordered = self._order()
        if constant and ordered and not found.targets:
            found.id = name
            self.taken_.add(name)
        elif not constant and not ordered and not found.group:
            found.group = name
            self.taken_.add(name)
        else:
            self._refuse(f"rows of one {name} may be one sample (a series) or several",
                         f"give --id {name} for the one, --group {name} for the other")

    def _order(self):
        fitting = [name for name in self._free(NUMBER, DATE) if plain(name) in ORDER_NAMES]
        return fitting[0] if len(fitting) == 1 else None

    def _choose_values(self):
        found = self.found_
        if self.args_.values:
            found.values = tuple(self.args_.values.split(","))
            return
        free = self._free()
        rich = [name for name in free if self.types_[name] in (*MEDIA, TEXT)]
        for name in free:
            kind = self.types_[name]
            if kind in (NUMBER, CATEGORY, DATE) and rich:
                found.unused[name] = f"{kind} beside {rich[0]}; --values to use it"
            elif kind in (guesses.EMPTY, guesses.OTHER, LABELS):
                found.unused[name] = {
                    guesses.EMPTY: "empty",
                    guesses.OTHER: "neither numbers, text nor files",
                    LABELS: "--labels to predict them"
                }[kind]
        found.values = tuple(name for name in free if name not in found.unused)
        if not found.values:
            self._refuse("no column is left to learn from (a sample needs values)",
                         "name some by --values, or correct --type")

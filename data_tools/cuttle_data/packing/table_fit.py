"""Which columns of a table serve a model, and for what.

A sense comes from the columns that it was made of when the model's data set was (their names are in
the record of its senses); where there are no names, or none of them is there, from the only column
of its kind, and a vector from all numbers and categories that are nothing else. Columns of other
names than the model's are taken with a warning: nobody knows that they mean the same."""

import numpy as np

from .. import names
from ..errors import UserError
from ..frame import cells, guesses, role_guesses
from ..frame.roles import Roles
from ..frame.senses import IS, PART

KINDS = {names.KIND_TEXT: guesses.TEXT, names.KIND_IMAGE: guesses.IMAGE,
         names.KIND_AUDIO: guesses.AUDIO, names.KIND_VIDEO: guesses.VIDEO}
SIMPLER = {guesses.TEXT: (guesses.CATEGORY, ), guesses.VIDEO: (guesses.IMAGE, )}  # may be one, too
FILLED = ""  # the name of a feature that no column made: zeros, of --pad
DATES = [PART + part for part in cells.DATE_PARTS]
PLAIN = (guesses.CATEGORY, guesses.NUMBER, guesses.TEXT)


class TableFit:
    """types: {column: type}; sources: {sense: [(column, None), or (column, what follows its name in
    that of the feature: "=f", ":year_sin")]};
    targets: names of columns, or of the labels in the column `labels`; roles: frame.roles.Roles."""

    def __init__(self, frame, label, layout, args, report):
        """label: of all rows, or None. UserError if nothing fits, or how is not certain."""
        self.frame_, self.layout_, self.args_, self.report_ = frame, layout, args, report
        self.types = guesses.guess_types(frame, guesses.parse_types(args.type, frame))
        self.taken_, self.sources, self.labels = set(), {}, None
        self._take_given()
        self._find_named_senses()
        class_column = None if args.no_labels or label else self._class_column()
        self.targets = () if args.no_labels else self._target_columns()
        self.roles = self._roles(class_column)
        self._find_other_senses()
        self._tell()

    def is_array(self, modality):
        """Whether one column holds the whole series or vector."""
        sources = self.sources.get(modality.name, ())
        return len(sources) == 1 and self.types[sources[0][0]] == guesses.ARRAY

    def _take_given(self):
        given = [self.args_.class_column, self.args_.id, self.args_.order]
        for name in given:
            if name and name != role_guesses.NONE:
                self.frame_.check_plain(name)
                self.taken_.add(name)

    def _free(self, *types):
        """Columns of these types that are nothing yet; only those of --values, if it is given."""
        wanted = self.args_.values.split(",") if self.args_.values else list(self.frame_.columns)
        for name in wanted:
            self.frame_.check_column(name)
        return [name for name in wanted if name not in self.taken_ and self.types[name] in types]

    def _senses(self):
        """Those that columns may hold: graphs are files of their own."""
        return [m for m in self.layout_.modalities if m.kind != names.KIND_GRAPH]

    def _find_named_senses(self):
        for modality in self._senses():
            wanted = [name for name in modality.columns if name != FILLED]
            sources = [self._source(name) for name in wanted]
            missing = [name for name, source in zip(wanted, sources) if not source]
            if len(missing) == len(sources):
                continue
            if missing:
                raise UserError(
                    f"{self.frame_.path}: no column {', '.join(missing)} (the model's sense "
                    f"{modality.name} is made of {', '.join(wanted)}); it has "
                    f"{', '.join(self.frame_.columns)}")
            self._serve(modality, sources)

    def _serve(self, modality, sources):
        self.sources[modality.name] = sources
        self.taken_ |= {name for name, _ in sources}

    def _source(self, feature):
        """(column, None), or (column, what follows), or None."""
        if feature in self.frame_.columns:
            return feature, None
        ends = [end for end, letter in enumerate(feature)
                if letter == IS or feature[end:] in (*DATES, names.ELAPSED_SUFFIX)]
        return next(((feature[:end], feature[end:]) for end in reversed(ends)
                     if feature[:end] in self.frame_.columns), None)

    def _class_column(self):
        given = self.args_.class_column
        if given:
            return None if given == role_guesses.NONE else given
        free = [name for name in self.frame_.columns
                if name not in self.taken_ and self.types[name] in PLAIN]
        found = [name for name in free if self._names_a_class(name)]
        found = found or [name for name in free if self.types[name] == guesses.CATEGORY and
                          (self.layout_.targets or not role_guesses.is_id(name))]
        found.sort(key=lambda name: self.types[name] == guesses.NUMBER)
        if found and all(cells.same_partition(self._codes(found[0]), self._codes(name))
                         for name in found):
            self.taken_ |= set(found)
            return found[0]
        why = f"the class may be {' or '.join(found)}" if found else "no column says the class"
        self.report_.note(f"{self.frame_.path}: {why}; the rows have no labels (see --class)")
        return None

    def _names_a_class(self, name):
        """A number called `y` is one to predict, where the model predicts some."""
        plain = role_guesses.plain(name)
        value = self.types[name] == guesses.NUMBER and self.layout_.targets
        return plain in role_guesses.CLASS_NAMES or (plain in role_guesses.EITHER_NAMES and
                                                     not value)

    def _codes(self, name):
        return cells.codes_of(self.frame_.columns[name])[0]

    def _target_columns(self):
        wanted = self.layout_.target_names
        if isinstance(self.args_.targets, str):
            wanted = tuple(self.args_.targets.split(","))
            for name in wanted:
                self.frame_.check_plain(name)
        elif not wanted and self.layout_.targets == 1:
            wanted = tuple(name for name in self._free(guesses.NUMBER)
                           if role_guesses.plain(name) in role_guesses.EITHER_NAMES)[:1]
        if all(name in self.frame_.columns for name in wanted):
            self.taken_ |= set(wanted)
            return wanted
        self.labels = self._label_column(wanted)
        return wanted if self.labels else ()

    def _label_column(self, wanted):
        """The column whose lists of labels are all among the model's targets, as `frame --labels` made these; None:
        there is none, or more than one."""
        found = []
        for name in self.frame_.columns:
            if name in self.taken_ or self.types[name] in guesses.MEDIA:
                continue
            try:
                labels = set(cells.labels_of(self.frame_.columns[name])[2])
            except UserError:
                continue
            if labels and labels <= set(wanted):
                found.append(name)
        if len(found) != 1:
            return None
        self.taken_.add(found[0])
        return found[0]

    def _roles(self, class_column):
        """A series that is no column of arrays is made of the rows of one id."""
        ids = [self.args_.id] if self.args_.id else [
            name for name in self.frame_.columns
            if name not in self.taken_ and role_guesses.is_id(name)]
        unnamed = len(ids) == 1 and self._free(guesses.NUMBER) and not self._free(guesses.ARRAY)
        series = [m for m in self.layout_.modalities if m.kind == names.KIND_SERIES and not
                  self.is_array(m) and (m.name in self.sources or (unnamed and not m.columns))]
        if series and len(ids) != 1:
            raise UserError(
                f"{self.frame_.path}: the model's sense {series[0].name} is the rows of a sample, "
                f"and {' or '.join(ids) or 'no column'} may say which; give --id COLUMN")
        if not series:
            ids = [name for name in ids if name == self.args_.id or self._differs(name)]
        elapsed = [name for sources in self.sources.values() for name, rest in sources
                   if rest == names.ELAPSED_SUFFIX]
        order = self.args_.order or next(iter(elapsed), None) or next(
            (name for name in self.frame_.columns if name not in self.taken_ and series and
             self.types[name] in (guesses.NUMBER, guesses.DATE) and
             role_guesses.plain(name) in role_guesses.ORDER_NAMES), None)
        self.taken_ |= {*ids[:1], order} - {None}
        return Roles(class_column, id=ids[0] if ids else None, order=order, series=bool(series))

    def _differs(self, name):
        codes = self._codes(name)
        return len(np.unique(codes)) == len(codes)

    def _find_other_senses(self):
        """Where there are no names: by kind."""
        for modality in self._senses():
            if modality.name in self.sources:
                continue
            wanted = KINDS.get(modality.kind, guesses.ARRAY)
            free = self._free(wanted) or self._free(*SIMPLER.get(wanted, ()))
            alike = [m for m in self.layout_.modalities
                     if m.kind == modality.kind and m.name not in self.sources]
            numbers = wanted == guesses.ARRAY and not free and (
                modality.kind == names.KIND_VECTOR or self.roles.series) and self._free(
                    guesses.NUMBER, guesses.CATEGORY)
            found = free if len(free) == 1 else numbers
            if found and len(alike) == 1:
                self._serve(modality, [(name, None) for name in found])
                self._warn_of_other_names(modality, found)
        if not self.sources:
            raise UserError(
                f"{self.frame_.path}: no column is what the model takes "
                f"({', '.join(m.name for m in self.layout_.modalities)}); it has "
                f"{', '.join(f'{n} ({t})' for n, t in self.types.items())}; name columns by "
                "--values, or correct --type")

    def _warn_of_other_names(self, modality, found):
        """Unless --values says that these are right."""
        if modality.columns and not self.args_.values:
            one = len(found) == 1
            self.report_.warn(
                f"{self.frame_.path}: no column is called "
                f"{', '.join(name for name in modality.columns if name != FILLED)}; took "
                f"{', '.join(found)}{'' if one else ' by their order'} (right only if "
                f"{'it means' if one else 'they mean'} the same); name the column"
                f"{'' if one else 's'} so, or choose by cuttle-data pack --values")

    def _tell(self):
        parts = [f"{name} from {', '.join(dict.fromkeys(column for column, _ in sources))}"
                 for name, sources in self.sources.items()]
        parts += [f"class from {self.roles.class_column}"] if self.roles.class_column else []
        parts += [f"targets from {self.labels or ', '.join(self.targets)}"] if self.targets else []
        self.report_.note(f"{self.frame_.path}: {'; '.join(parts)}")

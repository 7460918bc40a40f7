"""What was understood of a table, for people."""

from .guesses import MEDIA

EXAMPLES = 3
WIDTH = 28


def show(report, frame, types, roles=None, examples=False):
    """A line a column: type, role and, with `examples`, the first cells."""
    count = min(EXAMPLES, len(frame)) if examples else 0
    rows = []
    for name, column in frame.columns.items():
        role = roles.of(name) if roles else "?"
        why = roles.unused.get(name) if roles else None
        guessed = roles.guessed.get(name) if roles else None
        rows.append([
            name, types[name],
            f"not used: {why}" if why else f"{role} ({guessed})" if guessed else role,
            *[_cut(cell, types[name]) for cell in column.slice(0, count).to_pylist()]
        ])
    head = ["column", "type", "role", *[f"{frame.word} {n}" for n in frame.numbers[:count]]]
    report.table(f"{len(frame):,} rows (correct with --type, --class, --targets, ...)", head, rows)


def _cut(cell, kind):
    if kind in MEDIA and isinstance(cell, (bytes, dict)):
        return "(bytes)"
    text = " ".join(str("" if cell is None else cell).split())
    return text if len(text) <= WIDTH else text[:WIDTH - 3] + "..."

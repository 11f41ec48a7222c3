"""The table of servers and cases: printed, written into the guide, and compared with it."""

import datetime

from .cases import CASES
from .left_out import LEFT_OUT

BEGIN = "<!-- interop: begin -->"
END = "<!-- interop: end -->"
VERSION = "version"


class Column:
    """What ran against one server."""

    def __init__(self, server, version, outcomes):
        self.server = server
        self.version = version
        self.outcomes = outcomes

    @property
    def is_good(self):
        return all(outcome in ("ok", "n/a") for outcome in self.outcomes.values())


def render(columns):
    """The table as Markdown. A failed case shows as `FAILED`."""
    rows = [["", *(column.server.name for column in columns)], ["---"] * (len(columns) + 1)]
    rows.append([VERSION, *(column.version for column in columns)])
    for case in CASES:
        cells = (column.outcomes[case] for column in columns)
        rows.append([case, *(cell if cell in ("ok", "n/a") else "FAILED" for cell in cells)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def reasons(columns):
    """Why cases do not apply, one line for each server and reason."""
    lines = []
    for column in columns:
        cases_by_reason = {}
        for case, reason in column.server.not_applicable.items():
            cases_by_reason.setdefault(reason, []).append(case)
        for reason, cases in cases_by_reason.items():
            lines.append(f"- {column.server.name}, {'; '.join(f'*{case}*' for case in cases)}: {reason}")
    return "\n".join(lines)


def left_out():
    """The servers that do not run, one line each."""
    return "\n".join(f"- {name}: {reason}" for name, reason in LEFT_OUT.items())


def write(page, columns):
    """Replaces the table of the guide."""
    before, _, after = _split(page)
    today = datetime.date.today().isoformat()
    section = (
        f"\n\nRun on {today}.\n\n{render(columns)}\n\n"
        f"Why a case does not apply:\n\n{reasons(columns)}\n\n"
        f"Servers that do not run:\n\n{left_out()}\n\n"
    )
    page.write_text(before + BEGIN + section + END + after)


def differences(page, columns, is_complete):
    """What the guide says and what ran, wherever they differ. The date may differ."""
    _, section, _ = _split(page)
    published = _parse(section)
    found = []
    for column in columns:
        name = column.server.name
        expected = published.pop(name, None)
        if expected is None:
            found.append(f"the guide has no column {name}")
            continue
        ran = {**column.outcomes, VERSION: column.version}
        if not column.server.is_pinned:
            ran[VERSION] = expected.get(VERSION)
        for row in {**expected, **ran}:
            if expected.get(row) != ran.get(row):
                found.append(f"{name}, {row}: the guide says {expected.get(row)}, the run {ran.get(row)}")
    if is_complete:
        found += [f"the guide has a column {name} that did not run" for name in published]
        if reasons(columns) not in section:
            found.append("the guide has other reasons for n/a")
        if left_out() not in section:
            found.append("the guide lists other servers that do not run")
    return found


def _split(page):
    before, begin, rest = page.read_text().partition(BEGIN)
    section, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{page} lacks the lines {BEGIN} and {END}")
    return before, section, after


def _parse(section):
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    if not rows:
        return {}
    # The first cell of the first row is empty.
    names = [name.strip("| ") for name in rows[0] if name.strip("| ")]
    return {
        name: {row[0]: row[index] for row in rows[2:]} for index, name in enumerate(names, start=1)
    }

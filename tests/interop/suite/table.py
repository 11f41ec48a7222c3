"""The tables of the guide: printed, written into the guide, and compared with it."""

import datetime

VERSION = "version"


class Column:
    """What ran against one server, client library or proxy: the outcome of each case."""

    def __init__(self, name, version, outcomes, not_applicable, is_pinned=True):
        self.name = name
        self.version = version
        self.outcomes = outcomes
        self.not_applicable = not_applicable
        self.is_pinned = is_pinned

    @property
    def is_good(self):
        return all(outcome in ("ok", "n/a") for outcome in self.outcomes.values())


class Table:
    """Columns with the same cases. The guide has it between two comments that name it."""

    def __init__(self, name, columns, left_out=None):
        self.name = name
        self.columns = columns
        # What does not run, with the reason.
        self.left_out = left_out or {}
        self._begin = f"<!-- interop {name}: begin -->"
        self._end = f"<!-- interop {name}: end -->"

    def outcomes(self):
        return [outcome for column in self.columns for outcome in column.outcomes.values()]

    def text(self):
        """The table as Markdown, with reasons. A failed case shows as `FAILED`."""
        parts = [self._rows()]
        if self._reasons():
            parts.append("Why a case does not apply:\n\n" + self._reasons())
        if self.left_out:
            parts.append("Servers that do not run:\n\n" + self._left_out())
        return "\n\n".join(parts)

    def _rows(self):
        rows = [["", *(column.name for column in self.columns)], ["---"] * (len(self.columns) + 1)]
        rows.append([VERSION, *(column.version for column in self.columns)])
        cases = dict.fromkeys(case for column in self.columns for case in column.outcomes)
        for case in cases:
            cells = (column.outcomes.get(case) for column in self.columns)
            rows.append([case, *(cell if cell in ("ok", "n/a") else "FAILED" for cell in cells)])
        return "\n".join("| " + " | ".join(row) + " |" for row in rows)

    def _reasons(self):
        """One line for each column and reason."""
        lines = []
        for column in self.columns:
            cases_by_reason = {}
            for case, reason in column.not_applicable.items():
                cases_by_reason.setdefault(reason, []).append(case)
            for reason, cases in cases_by_reason.items():
                lines.append(f"- {column.name}, {'; '.join(f'*{case}*' for case in cases)}: {reason}")
        return "\n".join(lines)

    def _left_out(self):
        return "\n".join(f"- {name}: {reason}" for name, reason in self.left_out.items())

    def write(self, page):
        """Replaces the table of the guide."""
        before, _, after = self._split(page)
        today = datetime.date.today().isoformat()
        section = f"\n\nRun on {today}.\n\n{self.text()}\n\n"
        page.write_text(before + self._begin + section + self._end + after)

    def differences(self, page, is_complete):
        """What the guide says and what ran, wherever they differ. The date may differ."""
        _, section, _ = self._split(page)
        published = _parse(section)
        found = []
        for column in self.columns:
            expected = published.pop(column.name, None)
            if expected is None:
                found.append(f"the guide has no column {column.name}")
                continue
            ran = {**column.outcomes, VERSION: column.version}
            if not column.is_pinned:
                ran[VERSION] = expected.get(VERSION)
            for row in {**expected, **ran}:
                if expected.get(row) != ran.get(row):
                    says = f"the guide says {expected.get(row)}, the run {ran.get(row)}"
                    found.append(f"{column.name}, {row}: {says}")
        if is_complete:
            found += [f"the guide has a column {name} that did not run" for name in published]
            if self._reasons() not in section:
                found.append("the guide has other reasons for n/a")
            if self._left_out() not in section:
                found.append("the guide lists other servers that do not run")
        return found

    def _split(self, page):
        before, begin, rest = page.read_text().partition(self._begin)
        section, end, after = rest.partition(self._end)
        if not begin or not end:
            raise SystemExit(f"{page} lacks the lines {self._begin} and {self._end}")
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

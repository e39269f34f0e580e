"""Whether two answers are equal: rows in the order that the query asks for, decimals at the lesser of both scales to half a unit, everything
else exactly. Pure."""

import datetime
from decimal import Decimal


def _scale(value):
    return max(0, -value.as_tuple().exponent)


def equal(left, right):
    """Whether two values are equal."""
    if left is None or right is None:
        return left is right
    if isinstance(left, Decimal) and isinstance(right, Decimal):
        scale = min(_scale(left), _scale(right))
        return abs(left - right) * 2 <= Decimal(1).scaleb(-scale)
    if isinstance(left, (int, Decimal)) and isinstance(right, (int, Decimal)):
        return left == right
    if isinstance(left, datetime.datetime) != isinstance(right, datetime.datetime):
        return False
    return type(left) is type(right) and left == right


def _by_text(row):
    return [str(value) for value in row]


def _in_runs(rows, keys):
    """Rows with equal order keys may stand in any order: each such run is sorted by all that is in it."""
    sorted_rows, run = [], []
    for row in rows:
        if run and any(not equal(row[key], run[-1][key]) for key in keys):
            sorted_rows += sorted(run, key=_by_text)
            run = []
        run.append(row)
    return sorted_rows + sorted(run, key=_by_text)


def difference(expected, actual, keys):
    """What the first difference between two answers is, or nothing. An answer is (names, rows); `keys` are the positions that it is ordered
    by. Rows that tie at a limit would be a difference: the queries compared with this have none."""
    expected_names, expected_rows = expected
    actual_names, actual_rows = actual
    if expected_names != actual_names:
        return f"columns {actual_names} instead of {expected_names}"
    if len(expected_rows) != len(actual_rows):
        return f"{len(actual_rows)} rows instead of {len(expected_rows)}"
    pairs = zip(_in_runs(expected_rows, keys), _in_runs(actual_rows, keys), strict=True)
    for number, (wanted, seen) in enumerate(pairs, 1):
        for name, want, see in zip(expected_names, wanted, seen, strict=True):
            if not equal(want, see):
                return f"row {number}, {name}: {see!r} instead of {want!r}"
    return None

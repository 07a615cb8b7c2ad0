"""participants.tsv: a row a case; the names follow BIDS (participant_id, session_id)."""
import os
import re

from tools import Refused

EMPTY = {"", "n/a"}  # BIDS's word for no value


def label(where, prefix, text):
    text = text[len(prefix):] if text.startswith(prefix) else text
    if not re.fullmatch("[A-Za-z0-9]+", text):
        plain = re.sub("[^A-Za-z0-9]", "", text)
        hint = f" ({prefix}{plain} would do)" if plain else ""
        raise Refused(65, f"{where}: {prefix[:-1]} names are letters and digits alone, got '{prefix}{text}'{hint}")
    return prefix + text


def read_rows(path):
    try:
        with open(path, encoding="utf-8-sig", newline=None) as file:
            lines = file.read().split("\n")
    except FileNotFoundError:
        raise Refused(66, f"{path}: no such file") from None
    except OSError as error:
        raise Refused(66, f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Refused(65, f"{path}: not a table in UTF-8") from None
    return [(number, line.split("\t")) for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]


def read_table(path):
    """Cases in the table's order: name (sub-X or sub-X_ses-Y), ct, overrides (stage.parameter), others (carried along)."""
    rows = read_rows(path)
    head = [cell.strip() for cell in rows[0][1]] if rows else []
    for needed in ("participant_id", "ct"):
        if needed not in head:
            raise Refused(65, f"{path}: the first line must name the columns participant_id and ct, tab-separated; got "
                              f"'{' '.join(head)}'")
    if len(set(head)) != len(head):
        raise Refused(65, f"{path}: a column must stand once")
    if len(rows) == 1:
        raise Refused(65, f"{path}: no case in it")
    folder = os.path.dirname(os.path.abspath(path))
    cases, seen = [], {}
    for number, cells in rows[1:]:
        where = f"{path}:{number}"
        if len(cells) != len(head):
            raise Refused(65, f"{where}: expected {len(head)} cells, got {len(cells)}")
        row = {key: cell.strip() for key, cell in zip(head, cells)}
        name = label(where, "sub-", row["participant_id"])
        if row.get("session_id", "") not in EMPTY:
            name += "_" + label(where, "ses-", row["session_id"])
        if name.lower() in seen:
            raise Refused(65, f"{where}: {name} stands in line {seen[name.lower()]} already")
        seen[name.lower()] = number
        if row["ct"] in EMPTY:
            raise Refused(65, f"{where}: {name} has no ct")
        others = {key: value for key, value in row.items() if key not in ("participant_id", "session_id", "ct")}
        cases.append({"name": name, "where": where, "ct": os.path.abspath(os.path.join(folder, row["ct"])),
                      "overrides": {k: v for k, v in others.items() if "." in k and v not in EMPTY},
                      "others": {k: v for k, v in others.items() if "." not in k}})
    return cases

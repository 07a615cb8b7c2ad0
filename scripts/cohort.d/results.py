"""What a cohort came to: cohort.tsv with its dictionary, statistics.tsv with outliers, execution.tsv."""
import json
import os
import statistics

from case import read_json

KILLED = 137
OUTLIER_Z = 3.5  # of the modified z-score: Iglewicz and Hoaglin, How to Detect and Handle Outliers, ASQC 1993
LEAST_CASES = 5  # below that nothing is called an outlier
MAD_SCALE, MEAN_AD_SCALE = 1.482602, 1.253314  # a normal distribution's standard deviation over either


def find(record, path):
    """The value at a path a/b/c of a record; `*` takes the smallest over all keys."""
    key, _, rest = path.partition("/")
    if isinstance(record, list) and key.isdigit() and int(key) < len(record):
        record, key = dict(enumerate(record)), int(key)
    if not isinstance(record, dict):
        return None
    if key == "*":
        found = [value for value in (find(child, rest) if rest else child for child in record.values()) if is_number(value)]
        return min(found, default=None)
    return find(record.get(key), rest) if rest else record.get(key)


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def read_case(out, case, columns):
    """One row: exit code, reason and each column's value from the run records of the stages that went through."""
    folder = os.path.join(out, *case["name"].split("_"))
    outcome = read_json(os.path.join(folder, "case.json"))
    stages = {stage["name"]: stage for stage in outcome.get("stages", [])}
    code, reason = outcome.get("exit_code"), outcome.get("reason", "")
    if code is None:
        code, last = KILLED, list(stages)[-1] if stages else ""
        reason = f"{last or 'before the first stage'}: killed from outside, or out of time or memory"
    records = {name: read_json(os.path.join(folder, stage["record"])) for name, stage in stages.items() if stage["exit_code"] == 0}
    values = {}
    for column, (stage, path) in columns.items():
        value = find(records.get(stage, {}).get("results", {}), path)
        value = len(value) if isinstance(value, list) else value  # such as screws
        values[column] = value if is_number(value) or isinstance(value, str) else None
    return {"case": case["name"], "folder": folder, "others": case["others"], "exit_code": code, "reason": reason, "values": values,
            "outliers": [], "records": records, "stages": outcome.get("stages", []), "execution": outcome.get("execution", {})}


def robust(values):
    """Median and spread: MAD times 1.4826, or the mean absolute deviation times 1.2533 where more than half are equal."""
    middle = statistics.median(values)
    away = [abs(value - middle) for value in values]
    spread = MAD_SCALE * statistics.median(away)
    return middle, spread if spread > 0 else MEAN_AD_SCALE * statistics.fmean(away)


def summarise(rows, columns):
    """Per column: n, median, spread, least, most, outliers {case: z}; marks the rows."""
    table = []
    for column in columns:
        held = [(row, row["values"][column]) for row in rows if is_number(row["values"][column])]
        if not held:
            continue
        values = [value for _, value in held]
        middle, spread = robust(values)
        outliers = {}
        for row, value in held:
            z = (value - middle) / spread if spread > 0 else 0
            if len(held) >= LEAST_CASES and abs(z) > OUTLIER_Z:
                outliers[row["case"]] = z
                row["outliers"].append(column)
        table.append({"column": column, "n": len(values), "median": middle, "robust_sd": spread, "least": min(values),
                      "most": max(values), "outliers": outliers})
    return table


def text(value):
    if value is None:
        return "n/a"
    return format(value, ".6g") if isinstance(value, float) else " ".join(str(value).split())


def write_table(path, head, rows):
    temporary = f"{path}.{os.getpid()}.tmp"
    with open(temporary, "w", encoding="utf-8") as file:
        for row in [head, *rows]:
            file.write("\t".join(text(cell) for cell in row) + "\n")
    os.replace(temporary, path)


def names(row):
    subject, _, session = row["case"].partition("_")
    return [subject, session or None]


def write(out, rows, table, columns):
    others = list(dict.fromkeys(key for row in rows for key in row["others"]))
    head = ["participant_id", "session_id", *others, "exit_code", "reason", *columns, "outliers"]
    write_table(os.path.join(out, "cohort.tsv"), head,
                [[*names(row), *(row["others"].get(key) for key in others), row["exit_code"], row["reason"] or None,
                  *row["values"].values(), ", ".join(row["outliers"]) or None] for row in rows])
    dictionary = {"exit_code": {"Description": "0, or the code of the stage that failed (sysexits; 128 + signal)"},
                  "reason": {"Description": "the failing stage and what it said"},
                  "outliers": {"Description": f"columns whose modified z-score by median and MAD is above {OUTLIER_Z}"},
                  **{column: {"Description": f"{path} in the results of {stage}"} for column, (stage, path) in columns.items()}}
    with open(os.path.join(out, "cohort.json"), "w", encoding="utf-8") as file:
        json.dump(dictionary, file, indent=1)
        file.write("\n")
    write_table(os.path.join(out, "statistics.tsv"), ["column", "n", "median", "robust_sd", "least", "most", "outliers"],
                [[s["column"], s["n"], s["median"], s["robust_sd"], s["least"], s["most"],
                  ", ".join(f"{case} ({z:+.1f})" for case, z in s["outliers"].items()) or None] for s in table])
    write_table(os.path.join(out, "execution.tsv"),
                ["participant_id", "session_id", "attempt", "threads", "host", "wall_s", "cpu_s", "peak_memory_mib"],
                [[*names(row), *(row["execution"].get(key) for key in ("attempt", "threads", "host", "wall_s")), cpu_s(row),
                  peak_mib(row)] for row in rows])


def executions(row):
    return [record.get("execution", {}) for record in row["records"].values()]


def cpu_s(row):
    return round(sum(run.get("user_s", 0) + run.get("system_s", 0) for run in executions(row)), 2)


def peak_mib(row):
    return max((run.get("peak_memory_bytes", 0) for run in executions(row)), default=0) // 2 ** 20

#!/usr/bin/python3
"""Takes one case of a planned cohort through its stages: case.py OUT CASE [--attempt N] [--threads N] [--check]

Snakemake, the Slurm array and scripts/cohort all come through here. A stage is skipped exactly when the hashes of its inputs,
outputs, parameters and tool equal what its run record and case.json say. What a case came to stands in its case.json; a case that
need not be tried again (done, or its data are unfit) leaves a file in .cohort/settled. Ends with 0 for those, else with the stage's
code, so that a scheduler tries again. --check runs nothing: 0 when every stage would be skipped, else 1.
"""
import argparse
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

# What the next attempt may mend: out of memory, "try again", and all that signals do.
RETRIED = {71, 75, *range(130, 146)}
TALK = {"force", "dry_run", "threads", "quiet", "verbose", "debug", "log", "progress"}  # what records leave out of parameters


def read_json(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


def write_json(path, document):
    """Whole or not at all, with the same bytes for the same content."""
    temporary = f"{path}.{os.getpid()}.tmp"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1, ensure_ascii=False)
        file.write("\n")
    os.replace(temporary, path)


def hash_file(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def hash_path(path):
    """SHA-256 of a file, or of a folder's files and names as the run records have it; None when it isn't there."""
    try:
        if not os.path.isdir(path):
            return hash_file(path)
        names = sorted(os.fsencode(os.path.relpath(os.path.join(top, name), path))
                       for top, _, files in os.walk(path) for name in files)
        digest = hashlib.sha256()
        for name in names:
            digest.update(name + b"\0" + hash_file(os.path.join(os.fsencode(path), name)).encode() + b"\n")
        return digest.hexdigest()
    except OSError:
        return None


def public(value):
    """What a run record says of a parameter's value: of a path its last part, of a folder that it is one."""
    if isinstance(value, list):
        return [public(one) for one in value]
    if not isinstance(value, str):
        return value
    start = value.find("=") + 1 if "=" in value.partition("/")[0] else 0
    name = "folder" if os.path.isdir(value[start:]) else os.path.basename(value[start:])
    return value[:start] + name


class Stage:
    """One call of a tool with its document, in the case's folder."""

    def __init__(self, plan, own):
        self.name, self.tool = plan["name"], plan["tool"]
        self.executable, self.tool_sha256, self.version = plan["executable"], plan["tool_sha256"], plan["version"]
        self.document, self.effective = own["document"], own["effective"]
        self.inputs, self.outputs = plan["inputs"], plan["outputs"]
        self.record = self.main_output if self.main_output.endswith(".json") else \
            self.main_output + ("record.json" if self.main_output.endswith("/") else ".json")

    @property
    def main_output(self):
        return self.document["output" if "output" in self.outputs else self.outputs[0]]

    def input_hashes(self):
        hashes = []
        for role in self.inputs:
            value = self.document.get(role, [])
            hashes += [{"role": role, "sha256": hash_path(path)} for path in (value if isinstance(value, list) else [value])]
        return hashes

    def is_fresh(self, earlier):
        """True when nothing would change by running it again; `earlier` is what case.json says of it."""
        record = read_json(self.record)
        if not record or earlier.get("exit_code") != 0 or earlier.get("tool_sha256") != self.tool_sha256:
            return False
        instrument = record.get("instrument", {})
        if f"{instrument.get('name')} {instrument.get('version')} ({instrument.get('commit')})" != self.version:
            return False
        parameters = {key: public(value) for key, value in self.effective.items() if key not in TALK and value is not None}
        if {key: public(value) for key, value in record.get("parameters", {}).items()} != parameters:
            return False
        if [{key: one[key] for key in ("role", "sha256")} for one in record.get("object", [])] != self.input_hashes():
            return False
        if self.record == self.main_output and without_execution(record) != earlier.get("record_sha256"):
            return False
        results = record.get("result", [])
        return all(hash_path(beside(self, one["name"])) == one["sha256"] for one in results)

    def run(self, config, threads, log):
        """Runs the tool; returns its exit code, with 128 + the signal's number when one ended it."""
        write_json(config, self.document)
        call = [self.executable, *self.tool.split()[1:], "--config", config, "--force", "--threads", str(threads), "--progress",
                "none", "--quiet"]
        log.write(f"== {self.name}: {self.tool} --config {config}\n")
        log.flush()
        try:
            with subprocess.Popen(call, stdin=subprocess.DEVNULL, stdout=log, stderr=log) as process:
                Interruption.process = process
                code = process.wait()
        except OSError as error:
            log.write(f"{self.tool}: {error.strerror}\n")
            return 69
        finally:
            Interruption.process = None
        return code if code >= 0 else 128 - code


class Interruption:
    """The tool cleans up by itself: what is meant for the case goes on to it, and the case waits for its end."""
    process, number = None, 0

    @classmethod
    def handle(cls, number, _):
        cls.number = number
        if cls.process:
            cls.process.send_signal(number)


def beside(stage, name):
    """The path of an output that a record names: beside the main output, or as the document has it."""
    for key in stage.outputs:
        value = stage.document.get(key)
        if isinstance(value, str) and os.path.basename(value.rstrip("/")) == name:
            return value
    return name


def without_execution(record):
    """SHA-256 of a record's lasting part."""
    lasting = {key: value for key, value in record.items() if key != "execution"}
    return hashlib.sha256(json.dumps(lasting, sort_keys=True).encode()).hexdigest()


def last_words(path, start):
    """What the tool said last, from a byte of the log on: its one message."""
    with open(path, encoding="utf-8", errors="replace") as file:
        file.seek(start)
        lines = [line.strip() for line in file if line.strip()]
    return lines[-1] if lines else ""


def reason_of(code, stage, said):
    if 129 <= code <= 192 and code not in (130, 143):
        number = code - 128
        known = [s.name for s in signal.Signals if s.value == number]
        return f"{stage.name}: ended by {known[0] if known else f'signal {number}'}"
    if code in (130, 143):
        return f"{stage.name}: interrupted"
    said = said.removeprefix("error: ")
    return f"{stage.name}: {said or f'exit code {code}'}"


class Case:
    def __init__(self, out, name):
        self.work = os.path.join(out, ".cohort")
        self.name = name
        self.folder = os.path.join(out, *name.split("_"))
        plan = read_json(os.path.join(self.work, "plan.json"))
        own = read_json(os.path.join(self.work, "cases", name + ".json"))
        if not plan or not own:
            sys.exit(f"case: {name}: not planned in {out}")
        self.plan, self.own = plan, own
        self.stages = [Stage(stage, self.document_of(stage)) for stage in plan["stages"]]

    def document_of(self, stage):
        """The stage's document with this case's overrides, and its CT in place of {ct}."""
        changed = self.own["stages"].get(stage["name"], stage)
        fill = lambda value: self.own["ct"] if value == "{ct}" else [fill(v) for v in value] if isinstance(value, list) else value
        return {part: {key: fill(value) for key, value in changed[part].items()} for part in ("document", "effective")}

    def check(self):
        earlier = read_json("case.json")
        done = earlier.get("stages", [])
        return earlier.get("exit_code") == 0 and len(done) == len(self.stages) and \
            all(stage.is_fresh(before) for stage, before in zip(self.stages, done))

    def run(self, attempt, threads):
        start = time.time()
        earlier = read_json("case.json")
        before = {stage["name"]: stage for stage in earlier.get("stages", [])}
        outcome = {"case": self.name, "recipe": self.plan["recipe"], "stages": [], "exit_code": None, "reason": "interrupted"}
        runs, code, reason = [], 0, ""
        log_path = os.path.join(self.work, "logs", self.name + ".log")
        with open(log_path, "a", encoding="utf-8") as log:
            log.write(f"== attempt {attempt}\n")
            for stage in self.stages:
                entry = {"name": stage.name, "exit_code": 0, "record": stage.record, "tool_sha256": stage.tool_sha256}
                began, skipped = time.time(), stage.is_fresh(before.get(stage.name, {}))
                if not skipped:
                    # What an earlier run left would pass for a result if this one fails.
                    for key in stage.outputs:
                        remove(stage.document.get(key))
                    remove(stage.record)
                    log.flush()
                    said_from = os.path.getsize(log_path)
                    config = os.path.join(self.work, "configs", f"{self.name}.{stage.name}.json")
                    code = 128 + Interruption.number if Interruption.number else stage.run(config, threads, log)
                    log.flush()
                    if code != 0:
                        said = last_words(log_path, said_from)
                        # A folder's name can hold a patient's.
                        said = said.replace(os.path.dirname(self.own["ct"]) + "/", "")
                        reason = reason_of(code, stage, "" if said.startswith("== ") else said)
                entry["exit_code"] = code
                if code == 0 and stage.record == stage.main_output:
                    entry["record_sha256"] = without_execution(read_json(stage.record))
                outcome["stages"].append(entry)
                runs.append({"name": stage.name, "skipped": skipped, "wall_s": round(time.time() - began, 3)})
                write_json("case.json", outcome)
                if code != 0:
                    break
        outcome.update(exit_code=code, reason=reason)
        outcome["execution"] = {"attempt": attempt, "threads": threads, "host": socket.gethostname(), "stages": runs,
                                "wall_s": round(time.time() - start, 3)}
        write_json("case.json", outcome)
        return code


def remove(name):
    """A file or folder of the case; outputs are plain names (Recipe.require_inside)."""
    if not isinstance(name, str):
        return
    if os.path.isdir(name) and not os.path.islink(name.rstrip("/")):
        shutil.rmtree(name)
    elif os.path.lexists(name):
        os.remove(name)


def main():
    parser = argparse.ArgumentParser(prog="case", description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("case")
    parser.add_argument("--attempt", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--check", action="store_true")
    words = parser.parse_args()
    case = Case(os.path.abspath(words.out), words.case)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, Interruption.handle)
    try:
        os.makedirs(case.folder, exist_ok=True)
        os.chdir(case.folder)
        if words.check:
            return 0 if case.check() else 1
        code = case.run(words.attempt, words.threads)
        if code in RETRIED:
            return code
        os.makedirs(os.path.join(case.work, "settled"), exist_ok=True)  # an interrupted Snakemake takes it away
        with open(os.path.join(case.work, "settled", case.name), "w", encoding="utf-8") as settled:
            settled.write(f"{code}\n")
    except OSError as error:
        print(f"case: {case.name}: {error.filename}: {error.strerror}", file=sys.stderr)
        return 74
    return 0


if __name__ == "__main__":
    sys.exit(main())

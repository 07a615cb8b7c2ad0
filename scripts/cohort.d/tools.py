"""What the executables say of themselves: version, files among the parameters, effective parameters, memory."""
import functools
import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

from case import hash_file

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Refused(Exception):
    """Ends the driver with one message and an exit code."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Tool:
    """An executable, or one job of it (`phantom resect`)."""

    def __init__(self, name, folder):
        self.name, self.words = name, name.split()
        self.path = os.path.join(folder, self.words[0]) if self.words else folder
        if not self.words or "/" in self.words[0] or not os.access(self.path, os.X_OK) or os.path.isdir(self.path):
            raise Refused(69, f"{name}: no such executable in {folder} (run scripts/build first)")

    def call(self, *words):
        return subprocess.run([self.path, *self.words[1:], *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False)

    def answer(self, question):
        run = self.call(question)
        if run.returncode != 0:
            raise Refused(69, f"{self.name} {question}: {last_line(run.stderr)}")
        return run.stdout

    @functools.cached_property
    def version(self):
        words = self.answer("--version").split()  # osteoforge segment 0.1.0 (commit)
        return " ".join(["osteoforge", self.name, *words[-2:]])

    @functools.cached_property
    def sha256(self):
        return hash_file(self.path)

    @functools.cached_property
    def schema(self):
        return json.loads(self.answer("--schema"))["properties"]

    @functools.cached_property
    def files(self):
        """Keys of the parameters that are files or folders, as the Slicer description has them: (inputs, outputs)."""
        found = {"input": [], "output": []}
        for parameter in ElementTree.fromstring(self.answer("--xml")).iter():
            channel = parameter.findtext("channel")
            if channel in found and parameter.findtext("name") != "log":
                found[channel].append(parameter.findtext("name"))
        return found["input"], found["output"]

    def with_config(self, document, *words):
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
            json.dump(document, file)
            file.flush()
            run = self.call("--config", file.name, *words)
            run.stderr = run.stderr.replace(file.name, "")
            return run

    def effective(self, document):
        """The merged parameters; Refused with the tool's own code and words when they don't fit its schema."""
        run = self.with_config(document, "--dump-config")
        if run.returncode != 0:
            raise Refused(run.returncode if run.returncode > 0 else 70, last_line(run.stderr))
        return json.loads(run.stdout)

    def dry_run(self, document):
        """Estimated peak memory in bytes, or the run that refused."""
        run = self.with_config(document, "--dry-run", "--quiet")
        return (json.loads(run.stdout)["estimated_peak_memory_bytes"], None) if run.returncode == 0 else (None, run)


def last_line(text):
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no answer"


def common_sha256(bin_folder):
    """Of what every tool may read besides what it is told: the documents that it finds by itself, the networks' module."""
    listing = []
    for folder in ("materials", "simulate"):
        top = os.path.join(SOURCE, "configs", folder)
        listing += [os.path.join(top, name) for name in sorted(os.listdir(top)) if name.endswith(".json")]
    listing.append(os.path.join(SOURCE, "configs", "design-scaffold", "sites.json"))
    # Where lib/learn looks for it: in the build, and where it is installed.
    listing += [os.path.join(bin_folder, *place) for place in (("..", "lib", "osteo_learn.so"), ("..", "..", "lib", "osteoforge", "osteo_learn.so"))]
    return [hash_file(path) for path in listing if os.path.exists(path)]


def say(*words):
    print("cohort:", *words, file=sys.stderr, flush=True)

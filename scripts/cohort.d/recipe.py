"""Recipes: which stages, with which parameters; checked by the tools themselves before anything runs."""
import difflib
import hashlib
import json
import os
import re

import jsonschema

from tools import Refused, SOURCE, Tool, common_sha256

SCHEMA = os.path.join(SOURCE, "configs", "schema", "recipe.json")


def refuse(where, what):
    raise Refused(78, f"{where}: {what}")


def suggest(word, known):
    near = difflib.get_close_matches(word, known, 1)
    return f" (did you mean '{near[0]}'?)" if near else ""


def require_valid(path, document):
    """Against configs/schema/recipe.json; unknown keys with what was meant."""
    schema = read_document(SCHEMA, 70)
    for error in jsonschema.Draft7Validator(schema).iter_errors(document):
        where = ": ".join([path, *(f"{part + 1}" if isinstance(part, int) else part for part in error.absolute_path)])
        known = error.schema.get("properties", {})
        for key in error.instance if error.validator == "additionalProperties" else []:
            if key not in known:
                refuse(where, f"unknown key '{key}'" + suggest(key, known))
        refuse(where, error.message)


def read_document(path, code):
    try:
        with open(path, encoding="utf-8-sig") as file:
            return json.load(file)
    except FileNotFoundError:
        raise Refused(66, f"{path}: no such file") from None
    except OSError as error:
        raise Refused(66, f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise Refused(code, f"{path}: not JSON: {error}") from None


class Recipe:
    """A checked recipe; each stage has name, tool, document (its own --config), effective (with defaults), inputs, outputs."""

    def __init__(self, path, bin_folder):
        self.path, self.folder = path, os.path.dirname(os.path.abspath(path))
        document = read_document(path, 78)
        require_valid(path, document)
        self.title, self.pictures = document["title"], document.get("pictures", [])
        self.solid_cm3 = document.get("stand_in", {}).get("solid_cm3", 20)
        self.tools, self.stages, self.columns = {}, [], {}
        common = common_sha256(bin_folder)
        for stage in document["stages"]:
            self.add(stage, bin_folder, common)
        self.sha256 = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()

    def add(self, stage, bin_folder, common):
        name, where = stage["name"], f"{self.path}: {stage['name']}"
        if name in [s["name"] for s in self.stages]:
            refuse(where, "a stage's name must stand once")
        if stage["tool"] not in self.tools:
            self.tools[stage["tool"]] = Tool(stage["tool"], bin_folder)
        tool = self.tools[stage["tool"]]
        parameters = {}
        if "preset" in stage:
            parameters.update(read_document(self.located(stage["preset"]), 78))
        parameters.update(stage["parameters"])
        document = {key: self.fill(value) for key, value in parameters.items()}
        inputs, outputs = tool.files
        entry = {"name": name, "tool": stage["tool"], "executable": tool.path, "version": tool.version,
                 "tool_sha256": hashlib.sha256(" ".join([tool.sha256, *common]).encode()).hexdigest(),
                 "document": document, "effective": self.effective(where, tool, document),
                 "inputs": inputs, "outputs": [key for key in outputs if key in document],
                 "seconds": {"fixed": 0, "per_megavoxel": 0, **stage.get("seconds", {})}}
        if not entry["outputs"]:
            refuse(where, "no output among its parameters")
        self.require_inside(where, entry)
        taken = {s["document"][key]: s["name"] for s in self.stages for key in s["outputs"]}
        for key in entry["outputs"]:
            if document[key] in taken:
                refuse(where, f"'{document[key]}' is written by {taken[document[key]]} already")
        for column, source in stage.get("report", {}).items():
            if column in self.columns:
                refuse(where, f"report: '{column}' must stand once")
            self.columns[column] = (name, source)
        self.stages.append(entry)

    def located(self, path):
        """Recipes name their documents from the project's folder or from their own."""
        for folder in (self.folder, SOURCE):
            if os.path.exists(os.path.join(folder, path)):
                return os.path.join(folder, path)
        return os.path.join(SOURCE, path)

    def fill(self, value):
        if isinstance(value, list):
            return [self.fill(one) for one in value]
        if not isinstance(value, str):
            return value
        return value.replace("{configs}", os.path.join(SOURCE, "configs")).replace("{recipe}", self.folder)

    @staticmethod
    def effective(where, tool, document):
        try:
            return tool.effective(document)
        except Refused as refused:
            raise Refused(refused.code, f"{where}: {refused}") from None

    @staticmethod
    def require_inside(where, stage):
        """Outputs are plain names in the case's folder."""
        for key in stage["outputs"]:
            value = stage["document"][key]
            if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*/?", value) or value == "case.json":
                refuse(where, f"'{key}' must be a plain name in the case's folder, got {json.dumps(value)}")

    def override(self, where, cells, table_folder):
        """Stages as {name: {document, effective}} for a row's cells named stage.parameter."""
        changed = {}
        for column, text in cells.items():
            name, _, key = column.partition(".")
            stage = next((s for s in self.stages if s["name"] == name), None)
            if not stage:
                refuse(where, f"column '{column}': no stage '{name}'" + suggest(name, [s["name"] for s in self.stages]))
            tool = self.tools[stage["tool"]]
            document = changed.setdefault(name, {"document": dict(stage["document"])})["document"]
            document[key] = self.cell(tool.schema.get(key, {}), text.replace("{table}", table_folder))
        for name, own in changed.items():
            stage = next(s for s in self.stages if s["name"] == name)
            own["effective"] = self.effective(f"{where}: {name}", self.tools[stage["tool"]], own["document"])
            self.require_inside(f"{where}: {name}", {**stage, "document": own["document"]})
        return changed

    def cell(self, schema, text):
        """A cell as the schema has it: numbers, true and false, lists with commas."""
        if schema.get("type") == "array":
            return [self.cell(schema.get("items", {}), part) for part in text.split(",")]
        if schema.get("type") == "string":
            return self.fill(text)
        try:
            return json.loads(text)
        except ValueError:
            return text  # the tool says what is wrong with it

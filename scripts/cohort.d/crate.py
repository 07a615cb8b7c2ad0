"""ro-crate-metadata.json: the cohort as an RO-Crate 1.1, each stage of each case a CreateAction."""
import mimetypes
import os

from case import hash_file, write_json

# sha256 is a newer word of schema.org than the context of RO-Crate 1.1 knows.
CONTEXT = ["https://w3id.org/ro/crate/1.1/context", {"sha256": "http://schema.org/sha256"}]
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
KINDS = {".nrrd": "application/x-nrrd", ".vdb": "application/x-openvdb", ".stl": "model/stl", ".cli": "application/x-cli",
         ".tsv": "text/tab-separated-values", ".json": "application/json", ".html": "text/html", ".png": "image/png"}
TABLES = {"cohort.tsv": "one row a case: key numbers of every stage, exit code and reason", "cohort.json": "what the columns are",
          "statistics.tsv": "median, spread and outliers of every column", "execution.tsv": "time, memory and host of every case",
          "cohort.html": "pictures, plots and the table for reading"}


def kind_of(name):
    return KINDS.get(os.path.splitext(name)[1]) or mimetypes.guess_type(name)[0] or "application/octet-stream"


def file_entity(out, path, description=None, sha256=None):
    entity = {"@id": path, "@type": "File", "name": os.path.basename(path), "encodingFormat": kind_of(path)}
    if description:
        entity["description"] = description
    if sha256:  # records hold times, so neither their size nor their hash is told
        entity.update(contentSize=str(os.path.getsize(os.path.join(out, path))), sha256=sha256)
    return entity


def actions_of(out, row, entities):
    """The actions of a case, its files among the entities."""
    folder = os.path.relpath(row["folder"], out) + "/"
    parts, actions = [], []

    def add_file(name, description=None, sha256=None):
        if os.path.isfile(os.path.join(out, folder, name)):
            entities.setdefault(folder + name, file_entity(out, folder + name, description, sha256))
            parts.append({"@id": folder + name})
            return [{"@id": folder + name}]
        return []
    add_file("case.json", "exit code and hashes of every stage")
    for stage in row["stages"]:
        record = row["records"].get(stage["name"])
        if not record:
            continue
        instrument = record["instrument"]
        tool = f"#{instrument['name'].replace(' ', '-')}-{instrument['version']}-{instrument['commit']}"
        entities.setdefault(tool, {"@id": tool, "@type": "SoftwareApplication", "name": instrument["name"],
                                   "softwareVersion": f"{instrument['version']} ({instrument['commit']})"})
        results = add_file(stage["record"], "run record of " + stage["name"])
        for one in record.get("result", []):
            results += add_file(one["name"], sha256=one["sha256"])
        objects = []
        for one in record.get("object", []):
            inner = folder + one["name"]
            if os.path.isfile(os.path.join(out, inner)):
                objects.append({"@id": inner})
                continue
            source = f"#sha256-{one['sha256']}"  # a scan or a document from outside the crate
            entities.setdefault(source, {"@id": source, "@type": "CreativeWork", "name": one["name"], "sha256": one["sha256"]})
            objects.append({"@id": source})
        action = f"#{row['case']}-{stage['name']}"
        entities[action] = {"@id": action, "@type": "CreateAction", "name": f"{stage['name']} of {row['case']}",
                            "instrument": {"@id": tool}, "object": unique(objects), "result": unique(results),
                            "actionStatus": {"@id": "http://schema.org/CompletedActionStatus"}}
        actions.append({"@id": action})
    if row["exit_code"] != 0:
        action = f"#{row['case']}-failure"
        entities[action] = {"@id": action, "@type": "CreateAction", "name": f"{row['case']} did not come through",
                            "actionStatus": {"@id": "http://schema.org/FailedActionStatus"}, "error": row["reason"],
                            "instrument": {"@id": "#scripts-cohort"}}
        actions.append({"@id": action})
    entities[folder] = {"@id": folder, "@type": "Dataset", "name": row["case"], "hasPart": unique(parts)}
    return folder, actions


def unique(references):
    return list({reference["@id"]: reference for reference in references}.values())


def write(out, recipe, rows, day):
    entities, folders, actions = {}, [], []
    entities["#scripts-cohort"] = {"@id": "#scripts-cohort", "@type": "SoftwareApplication", "name": "osteoforge scripts/cohort"}
    for row in rows:
        folder, own = actions_of(out, row, entities)
        folders.append({"@id": folder})
        actions += own
    tables = [name for name in TABLES if os.path.exists(os.path.join(out, name))]
    for name in tables:
        lasting = name in ("cohort.tsv", "cohort.json", "statistics.tsv")
        entities[name] = file_entity(out, name, TABLES[name], hash_file(os.path.join(out, name)) if lasting else None)
    root = {"@id": "./", "@type": "Dataset", "name": f"{recipe.title}: {len(rows)} cases",
            "description": f"Run of Osteoforge's recipe '{recipe.title}' ({os.path.basename(recipe.path)}). Research only.",
            "datePublished": day, "license": "not stated: scans and what is made of them belong to whoever made the scans",
            "conformsTo": {"@id": PROFILE}, "hasPart": folders + [{"@id": name} for name in tables], "mentions": actions}
    descriptor = {"@id": "ro-crate-metadata.json", "@type": "CreativeWork", "about": {"@id": "./"},
                  "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"}}
    entities[PROFILE] = {"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
    path = os.path.join(out, "ro-crate-metadata.json")
    write_json(path, {"@context": CONTEXT, "@graph": [descriptor, root, *entities.values()]})

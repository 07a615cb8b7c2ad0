"""What a case will take: memory by the tools' dry runs, time by the recipe's measured seconds.

Before the first job there is a CT and nothing else. So each stage's dry run is asked on stand-ins: a CT and labels of two sizes,
which give the memory as a line over the voxels, and balls as large as the recipe's usual solid for what comes behind the defect.
A case's voxels are those at which import's line meets its own dry run on the case's CT.
"""
import math
import os
import struct
import tempfile
import zlib
from concurrent.futures import ThreadPoolExecutor

from tools import Refused, last_line

SIDES = (48, 128)  # voxels of the stand-ins' edges
UNKNOWN_BYTES = 2 << 30  # asked for where a dry run can't say
MARGIN, SPARE_MB = 1.25, 200  # on what the dry runs say: the interpreter and what they don't know
TIME_MARGIN, LEAST_MINUTES = 3, 2


def write_nrrd(path, side, kind, size, ends, extra=()):
    """Zeros but for both ends, so that the box of what is labelled is the whole image."""
    voxels = bytearray(size * side ** 3)
    voxels[:size] = voxels[-size:] = ends
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    head = ["NRRD0005", f"type: {kind}", "dimension: 3", "space: left-posterior-superior", f"sizes: {side} {side} {side}",
            "space directions: (1,0,0) (0,1,0) (0,0,1)", "kinds: domain domain domain", "endian: little", "encoding: gzip",
            'space units: "mm" "mm" "mm"', "space origin: (0,0,0)", *extra, "", ""]
    with open(path, "wb") as file:
        file.write("\n".join(head).encode() + packer.compress(bytes(voxels)) + packer.flush())


def write_ball(path, centre, radius, steps=24):
    """A closed ball of triangles between circles of latitude."""
    def at(i, j):
        a, b = math.pi * i / steps, 2 * math.pi * (j % (2 * steps)) / (2 * steps)
        return [centre[0] + radius * math.sin(a) * math.cos(b), centre[1] + radius * math.sin(a) * math.sin(b),
                centre[2] + radius * math.cos(a)] if 0 < i < steps else [centre[0], centre[1], centre[2] + radius * (1 - 2 * (i > 0))]
    triangles = []
    for i in range(steps):
        for j in range(2 * steps):
            if i > 0:
                triangles.append((at(i, j), at(i + 1, j), at(i, j + 1)))
            if i < steps - 1:
                triangles.append((at(i, j + 1), at(i + 1, j), at(i + 1, j + 1)))
    with open(path, "wb") as file:
        file.write(b"stand-in; SPACE=LPS".ljust(80) + struct.pack("<I", len(triangles)))
        for triangle in triangles:
            file.write(struct.pack("<12fH", 0, 0, 0, *(x for corner in triangle for x in corner), 0))


class StandIns:
    """A folder in which every input of a recipe exists in kind."""

    def __init__(self, folder, side, recipe):
        self.folder, self.recipe = folder, recipe
        radius = (750 * recipe.solid_cm3 / math.pi) ** (1 / 3)
        self.files = {name: os.path.join(folder, name) for name in ("scan.nrrd", "labels.seg.nrrd", "solid.stl", "host.stl")}
        write_nrrd(self.files["scan.nrrd"], side, "int16", 2, struct.pack("<h", 1000))
        write_nrrd(self.files["labels.seg.nrrd"], side, "uint8", 1, b"\1",
                   ("Segment0_Name:=Cortical", "Segment0_LabelValue:=1", "Segment0_Color:=1 1 1", "Segment0_Layer:=0"))
        write_ball(self.files["solid.stl"], (0, 0, 0), radius)
        write_ball(self.files["host.stl"], (0, 0, 2 * radius - 0.5), radius)  # it touches, as a bone does

    def stand_in(self, key, value):
        if not isinstance(value, str):
            return value
        made = {s["document"][k] for s in self.recipe.stages for k in s["outputs"]}
        if value == "{ct}":
            return self.files["scan.nrrd"]
        if value not in made:
            return value
        if value.endswith(".seg.nrrd"):
            return self.files["labels.seg.nrrd"]
        if value.endswith((".vdb", ".stl", ".ply")):
            return self.files["host.stl" if key in ("host", "bone") else "solid.stl"]
        return self.files["scan.nrrd"] if value.endswith((".nrrd", ".nii.gz")) else value

    def ask(self, stage):
        """The stage's dry run: bytes, or None where it can't say; Refused for parameters that contradict each other."""
        document = dict(stage["document"])
        for key in stage["inputs"]:
            if key in document:
                value = document[key]
                document[key] = [self.stand_in(key, v) for v in value] if isinstance(value, list) else self.stand_in(key, value)
        for key in stage["outputs"]:
            document[key] = os.path.join(self.folder, "out", document[key])
        estimate, refusal = self.recipe.tools[stage["tool"]].dry_run(document)
        if refusal and refusal.returncode == 78:
            raise Refused(78, f"{self.recipe.path}: {stage['name']}: {last_line(refusal.stderr)}")
        return estimate


def laws(recipe, workers):
    """For each stage (fixed bytes, bytes a voxel); (None, 0) where the dry run can't say."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(workers) as pool:
        answers = []
        for side in SIDES:
            os.mkdir(os.path.join(folder, str(side)))
            stand_ins = StandIns(os.path.join(folder, str(side)), side, recipe)
            answers.append(list(pool.map(stand_ins.ask, recipe.stages)))
    small, large = (side ** 3 for side in SIDES)
    found = {}
    for stage, low, high in zip(recipe.stages, *answers):
        slope = (high - low) / (large - small) if low and high else 0
        found[stage["name"]] = (low - slope * small, slope) if low and high else (None, 0)
    return found


def voxels_of(recipe, case, found):
    """A CT's voxels by import's dry run, or what import has against it."""
    stage = next((s for s in recipe.stages if "{ct}" in s["document"].values()), None)
    if not stage or not found[stage["name"]][1]:
        return 0, ""
    own = case["stages"].get(stage["name"], stage)["document"]
    document = {key: case["ct"] if value == "{ct}" else value for key, value in own.items()}
    for key in stage["outputs"]:
        document[key] = os.path.join(tempfile.gettempdir(), "osteoforge-unwritten-" + document[key])
    estimate, refusal = recipe.tools[stage["tool"]].dry_run(document)
    if refusal:
        return 0, f"{refusal.returncode}: {last_line(refusal.stderr)}"
    fixed, slope = found[stage["name"]]
    return max(0, round((estimate - fixed) / slope)), ""


def plan(recipe, cases, workers):
    """Adds to each case its voxels, its stages' bytes and seconds, and what is asked of a scheduler."""
    found = laws(recipe, workers)
    with ThreadPoolExecutor(workers) as pool:
        for case, (voxels, note) in zip(cases, pool.map(lambda case: voxels_of(recipe, case, found), cases)):
            case["voxels"], case["note"] = voxels, note
    known = sorted(case["voxels"] for case in cases if case["voxels"])
    for case in cases:
        voxels = case["voxels"] or (known[-1] if known else 0)
        case["estimates"] = []
        for stage in recipe.stages:
            fixed, slope = found[stage["name"]]
            seconds = stage["seconds"]["fixed"] + stage["seconds"]["per_megavoxel"] * voxels / 1e6
            case["estimates"].append((stage["name"], stage["tool"], UNKNOWN_BYTES if fixed is None else fixed + slope * voxels, seconds))
        peak = max(estimate[2] for estimate in case["estimates"])
        case["mem_mb"] = math.ceil(MARGIN * peak / 2 ** 20) + SPARE_MB
        case["minutes"] = max(LEAST_MINUTES, math.ceil(TIME_MARGIN * sum(e[3] for e in case["estimates"]) / 60))

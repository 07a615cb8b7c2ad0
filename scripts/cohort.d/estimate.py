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

from tools import Refused, Tool, last_line

SIDES = (48, 128)  # voxels of the stand-ins' edges
SOLID_VOXEL_MM = 0.25
UNKNOWN_BYTES = 1 << 30  # asked for where a dry run can't say
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


def write_png(path, width=800, height=600):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = zlib.compress(bytes((3 * width + 1) * height))
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


class StandIns:
    """A folder in which every input of a recipe exists in kind; solids become level sets by reconstruct."""

    def __init__(self, folder, recipe):
        self.folder, self.recipe = folder, recipe
        self.made = {s["document"][key] for s in recipe.stages for key in s["outputs"]}
        radius = (750 * recipe.solid_cm3 / math.pi) ** (1 / 3)
        # The host touches the solid, as a bone does.
        for name, centre, voxel_mm in (("solid", (0, 0, 0), SOLID_VOXEL_MM), ("host", (0, 0, 2 * radius - 0.5), 1)):
            write_ball(self.at(name + ".stl"), centre, radius)
            if any(name.endswith(".vdb") for name in self.made):
                Tool("reconstruct", os.path.dirname(recipe.stages[0]["executable"])).with_config(
                    {"labels": self.at(name + ".stl"), "output": self.at(name + ".vdb"), "voxel_mm": voxel_mm, "quiet": True})
        write_png(self.at("picture.png"))
        for side in SIDES:
            write_nrrd(self.at(f"scan{side}.nrrd"), side, "int16", 2, struct.pack("<h", 1000))
            write_nrrd(self.at(f"labels{side}.seg.nrrd"), side, "uint8", 1, b"\1",
                       ("Segment0_Name:=Cortical", "Segment0_LabelValue:=1", "Segment0_Color:=1 1 1", "Segment0_Layer:=0"))

    def at(self, name):
        return os.path.join(self.folder, name)

    def of(self, key, value, side):
        """The file that stands in for a value of an input parameter."""
        if isinstance(value, list):
            return [self.of(key, one, side) for one in value]
        if value != "{ct}" and value not in self.made:
            return value
        if value.endswith(".seg.nrrd"):
            return self.at(f"labels{side}.seg.nrrd")
        if value.endswith(".png"):
            return self.at("picture.png")
        if value.endswith((".vdb", ".stl")):
            return self.at(("host" if key in ("host", "bone") else "solid") + value[-4:])
        return self.at(f"scan{side}.nrrd")

    def ask(self, stage):
        """(fixed bytes, bytes a voxel) by the stage's dry runs, (None, 0) where they can't say; Refused for parameters that
        contradict each other."""
        answers, last = [], None
        for side in SIDES:
            document = dict(stage["document"])
            document.update({key: self.of(key, document[key], side) for key in stage["inputs"] if key in document})
            document.update({key: self.at("unwritten-" + document[key]) for key in stage["outputs"]})
            if document == last:
                return answers[0], 0
            estimate, refusal = self.recipe.tools[stage["tool"]].dry_run(document)
            if refusal and refusal.returncode == 78:
                raise Refused(78, f"{self.recipe.path}: {stage['name']}: {last_line(refusal.stderr)}")
            if not estimate:
                return None, 0
            answers.append(estimate)
            last = document
        small, large = (side ** 3 for side in SIDES)
        slope = (answers[1] - answers[0]) / (large - small)
        return answers[0] - slope * small, slope


def laws(recipe, workers):
    """For each stage (fixed bytes, bytes a voxel)."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(workers) as pool:
        stand_ins = StandIns(folder, recipe)
        return dict(zip((stage["name"] for stage in recipe.stages), pool.map(stand_ins.ask, recipe.stages)))


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

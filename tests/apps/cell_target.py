"""cell_target.py TARGET SHARE SCALE writes a target near what a gyroid sheet has; TARGET RECORD holds a record against it."""
import json
import sys

import numpy as np

path = sys.argv[1]
if sys.argv[2].endswith(".json"):
    target, r = json.load(open(path)), json.load(open(sys.argv[2]))["results"]
    mandel = np.diag([1, 1, 1] + [2**0.5] * 3)
    wanted, got = (mandel @ np.array(t) @ mandel for t in (target["stiffness_tensor_mpa"], r["delivered_stiffness_tensor_mpa"]))
    error = np.linalg.norm(got - wanted) / np.linalg.norm(wanted)
    assert abs(error - r["tensor_error"]) < 1e-9, (error, r["tensor_error"])
    assert r["verdict"] == ("reached" if error <= 0.05 else "unreachable"), r
    assert abs(r["delivered_porosity"] - target["porosity"]) < 0.003, r["delivered_porosity"]
    assert abs(r["level_set_porosity"] - target["porosity"]) < 0.02, r["level_set_porosity"]
    assert min(a["delivered_tensor_error"] for a in r["attempts"]) == r["tensor_error"], r["attempts"]
    assert r["verdict"] == "reached", r
else:
    share, scale = float(sys.argv[2]), float(sys.argv[3])
    tensor = np.zeros((6, 6))
    tensor[:3, :3] = 0.066
    tensor[range(6), range(6)] = [0.17, 0.16, 0.15, 0.05, 0.05, 0.05]
    document = {"stiffness_tensor_mpa": (1000 * scale * tensor).tolist(), "porosity": 1 - share, "youngs_modulus_mpa": 1000, "poisson_ratio": 0.3}
    json.dump(document, open(path, "w"))

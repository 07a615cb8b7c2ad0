#!/usr/bin/env python3
"""Prints an L as an ASCII STL in LPS, its lower arm along x, the upright one along z: bracket.py SIDE ARM DEPTH in mm"""
import sys

side, arm, depth = (float(v) for v in sys.argv[1:4])
outline = [(0, 0), (side, 0), (side, arm), (arm, arm), (arm, side), (0, side)]  # x, z
halves = [((0, 0), (side, 0), (side, arm)), ((0, 0), (side, arm), (arm, arm)),
          ((0, 0), (arm, arm), (arm, side)), ((0, 0), (arm, side), (0, side))]
triangles = []
for a, b, c in halves:
    front, back = ([(x, y, z) for x, z in (a, b, c)] for y in (0, depth))
    triangles += [front, back[::-1]]
for n, (x0, z0) in enumerate(outline):
    x1, z1 = outline[(n + 1) % len(outline)]
    near, far = (x0, 0, z0), (x1, 0, z1)
    triangles += [[near, (x0, depth, z0), far], [far, (x0, depth, z0), (x1, depth, z1)]]
print("solid SPACE=LPS")
for triangle in triangles:
    print("facet normal 0 0 0\nouter loop")
    for corner in triangle:
        print("vertex", *corner)
    print("endloop\nendfacet")
print("endsolid")

#!/usr/bin/env python3
"""Prints a box as an ASCII STL in LPS: box.py x0 y0 z0 x1 y1 z1 [FRAME_ID]"""
import sys

low, high = [float(v) for v in sys.argv[1:4]], [float(v) for v in sys.argv[4:7]]
frame = f" FRAME={sys.argv[7]}" if len(sys.argv) > 7 else ""
print(f"solid SPACE=LPS{frame}")
for axis in range(3):
    for side in (0, 1):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        corners = []
        for a, b in ((0, 0), (1, 0), (1, 1), (0, 1)):
            p = [0.0] * 3
            p[axis] = (low, high)[side][axis]
            p[u], p[v] = (low, high)[a][u], (low, high)[b][v]
            corners.append(p)
        if side == 0:
            corners.reverse()
        for triangle in ((0, 1, 2), (0, 2, 3)):
            print("facet normal 0 0 0\nouter loop")
            for n in triangle:
                print("vertex", *corners[n])
            print("endloop\nendfacet")
print("endsolid")

#!/usr/bin/env python3
"""Prints a lumpy ellipsoid as a closed ASCII STL in LPS: lump.py CX CY CZ RX RY RZ [LUMPS]
Its radius swells and shrinks by up to the share LUMPS (default 0.12) around the mean."""
import math
import sys

centre, radii = [float(v) for v in sys.argv[1:4]], [float(v) for v in sys.argv[4:7]]
lumps = float(sys.argv[7]) if len(sys.argv) > 7 else 0.12
RINGS, SECTORS = 48, 96


def point(ring, sector):
    a = math.pi * ring / RINGS
    b = 2 * math.pi * (sector % SECTORS) / SECTORS if 0 < ring < RINGS else 0
    n = (math.sin(a) * math.cos(b), math.sin(a) * math.sin(b), math.cos(a))
    swell = 1 + lumps * math.sin(3 * n[0] + 1) * math.cos(4 * n[1]) + lumps * 0.5 * math.sin(5 * n[2])
    return [centre[k] + radii[k] * n[k] * swell for k in range(3)]


print("solid SPACE=LPS")
for ring in range(RINGS):
    for sector in range(SECTORS):
        a, b = point(ring, sector), point(ring + 1, sector)
        c, d = point(ring + 1, sector + 1), point(ring, sector + 1)
        for triangle in ((a, b, c), (a, c, d)):
            if (ring == 0 and triangle == (a, c, d)) or (ring == RINGS - 1 and triangle == (a, b, c)):
                continue
            print("facet normal 0 0 0\nouter loop")
            for p in triangle:
                print("vertex", *p)
            print("endloop\nendfacet")
print("endsolid")

#!/usr/bin/env python3
"""Prints a tube along z as an ASCII STL in LPS: tube.py OUTER_RADIUS INNER_RADIUS HEIGHT"""
import math
import sys

outer, inner, height = (float(v) for v in sys.argv[1:4])
SIDES = 96


def ring(radius, z):
    turn = 2 * math.pi / SIDES
    return [(radius * math.cos(i * turn), radius * math.sin(i * turn), z) for i in range(SIDES)]


def strip(a, b):
    for i in range(SIDES):
        j = (i + 1) % SIDES
        yield a[i], a[j], b[j]
        yield a[i], b[j], b[i]


print("solid SPACE=LPS")
rings = [ring(outer, 0), ring(outer, height), ring(inner, height), ring(inner, 0)]
for n in range(4):
    for triangle in strip(rings[n], rings[(n + 1) % 4]):
        print("facet normal 0 0 0\nouter loop")
        for x, y, z in triangle:
            print(f"vertex {x:.6f} {y:.6f} {z:.6f}")
        print("endloop\nendfacet")
print("endsolid")

#!/usr/bin/env python3
"""Keeps the triangles of one of our PLY files whose corners all lie below z: cut_ply.py IN.ply OUT.ply Z"""
import struct
import sys

source, target, z = sys.argv[1], sys.argv[2], float(sys.argv[3])
head, body = open(source, "rb").read().split(b"end_header\n", 1)
count = {words[1]: int(words[2]) for words in (line.split() for line in head.decode().splitlines()) if words[0] == "element"}
points = [struct.unpack_from("<3f", body, 12 * i) for i in range(count["vertex"])]
rows = [body[12 * len(points) + 13 * i : 12 * len(points) + 13 * (i + 1)] for i in range(count["face"])]
kept = [row for row in rows if all(points[v][2] < z for v in struct.unpack("<B3I", row)[1:])]
head = head.replace(b"element face %d" % len(rows), b"element face %d" % len(kept))
open(target, "wb").write(head + b"end_header\n" + body[: 12 * len(points)] + b"".join(kept))

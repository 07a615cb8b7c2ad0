#!/usr/bin/python3
"""Writes a skull-cap whose bone flap was put back, sunken by 3 mm in a saw cut of 3 mm: flap.seg.nrrd and flap.nrrd.

`flap_bone.py check FILE...` asserts that nothing of a .ply (vertices) or .seg.nrrd (labelled voxels) lies where the flap
is, and that something lies elsewhere.
"""
import gzip
import re
import sys

import numpy as np

SIZE = np.array([130, 150, 94])
ORIGIN = np.array([-64.5, -74.5, -31.5])  # 1 mm voxels
AXIS = np.array([0.9, 0.3, 0.45]) / np.linalg.norm([0.9, 0.3, 0.45])
OUTER, THICK, FLAP, KERF, SUNKEN, TABLE = 55, 6, 20, 3, 3, 1.6


def cap(p, inset=0.0):
    r = np.linalg.norm(p / [1, 1.15, 0.95], axis=-1)
    return np.maximum.reduce([r - OUTER, OUTER - THICK - r, -25 - p[..., 2]]) + inset


def aside(p):
    """Distance from the flap's axis; far where that points away."""
    along = p @ AXIS
    return np.where(along > 0, np.linalg.norm(p - along[..., None] * AXIS, axis=-1), 1e3)


def bone(p, inset=0.0):
    host = np.maximum(cap(p, inset), FLAP + KERF + inset - aside(p))
    flap = np.maximum(cap(p + SUNKEN * AXIS, inset), aside(p) - FLAP + inset)
    return np.minimum(host, flap)


def write(path, voxels, kind):
    with open(path, 'wb') as out:
        out.write(('NRRD0004\ntype: %s\ndimension: 3\nspace: left-posterior-superior\nsizes: %d %d %d\n'
                   'space directions: (1,0,0) (0,1,0) (0,0,1)\nkinds: domain domain domain\nendian: little\n'
                   'encoding: raw\nspace origin: (%g,%g,%g)\n\n' % (kind, *SIZE, *ORIGIN)).encode())
        out.write(voxels.transpose(2, 1, 0).tobytes())


def read(path):
    """Points of a file in mm."""
    with open(path, 'rb') as file:
        raw = file.read()
    if path.endswith('.nrrd'):
        head, body = raw.split(b'\n\n', 1)
        body = gzip.decompress(body) if b'gzip' in head else body
        kind = '<u2' if b'short' in head or b'uint16' in head else 'u1'
        return np.argwhere(np.frombuffer(body, kind).reshape(SIZE[::-1]))[:, ::-1] + ORIGIN
    head, body = raw.split(b'end_header\n', 1)
    vertex = re.search(rb'element vertex (\d+)\n((?:property .*\n)*)', head)
    code = {'float': '<f4', 'double': '<f8', 'uchar': 'u1', 'ushort': '<u2', 'short': '<i2', 'int': '<i4'}
    fields = [(name, code[kind]) for kind, name in re.findall(r'property (\w+) (\w+)', vertex[2].decode())]
    rows = np.frombuffer(body, np.dtype(fields), int(vertex[1]))
    return np.stack([rows[axis] for axis in 'xyz'], axis=-1).astype(float)


def main():
    if sys.argv[1:2] == ['check']:
        for path in sys.argv[2:]:
            points = read(path)
            there = np.count_nonzero(aside(points) < FLAP - 2)
            print(path, len(points), there)
            assert len(points) > 5000 and there == 0, (path, len(points), there)
        return
    p = np.stack(np.meshgrid(*(np.arange(n) for n in SIZE), indexing='ij'), axis=-1) + ORIGIN
    outer, inner = bone(p), bone(p, TABLE)
    write('flap.seg.nrrd', np.where(outer < 0, np.where(inner < 0, 2, 1), 0).astype('<u2'), 'unsigned short')
    share, core = (0.5 - 0.5 * np.tanh(1.4 * d) for d in (outer, inner))
    write('flap.nrrd', np.rint(40 + 1460 * share - 1100 * core).astype('<i2'), 'short')


main()

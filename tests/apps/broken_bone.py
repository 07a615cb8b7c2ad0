#!/usr/bin/python3
"""Writes a long bone in three displaced fragments and what is needed to judge their reassembly into the working folder.

broken.seg.nrrd: labels 10, 11, 12; pieces.seg.nrrd: the same as one label; other.seg.nrrd: the whole bone mirrored, label 10.
`broken_bone.py check RECORD` compares the record's motions with the true ones: mean error below 1 mm for each fragment.
"""
import json
import sys

import numpy as np

SPACING = 1.2
SIZE = np.array([92, 75, 178])
ORIGIN = np.array([-45.0, -45.0, -25.0])
# Motion of each fragment: axis, degrees, shift in mm, about its middle.
MIDDLES = np.array([[4.0, 0, 25], [6, 0, 75], [8, 0, 130]])
MOTIONS = [((0, 0, 1), 0, (0, 0, 0)), ((0.3, 1, 0.5), 11, (6, -7, 4)), ((1, -0.4, 0.6), 14, (-6, 5, 12))]


def bone(p):
    """Negative inside: a bent shaft that is not round with a head, a trochanter and two condyles."""
    def ball(c, r):
        return np.linalg.norm(p - np.array(c), axis=-1) - r
    x, y, z = p[..., 0], p[..., 1], p[..., 2]
    bend = 6 * np.sin(np.pi * z / 150)
    shaft = np.hypot(x - bend, y / 0.8 - 0.1 * np.abs(x - bend)) - (11 + 4e-4 * (z - 70) ** 2)
    parts = [np.maximum(shaft, np.maximum(-z, z - 140)), ball((30, 6, 150), 17), ball((16, 3, 138), 12),
             ball((-12, -3, 136), 11), ball((9, 3, 6), 14), ball((-10, 1, 6), 12)]
    return -1.5 * np.log(sum(np.exp(-np.minimum(d, 50) / 1.5) for d in parts))


def piece(p):
    """0, 1 or 2 by two rough cuts."""
    waves = 0.7 * np.sin(p[..., 0] * 0.9 + 0.4 * p[..., 1]) + 0.6 * np.sin(p[..., 1] * 0.8 - 0.3 * p[..., 0] + 1)
    first = p[..., 2] - 50 + 0.3 * p[..., 0] + waves
    second = p[..., 2] - 102 - 0.35 * p[..., 1] - waves
    return (first > 0).astype(int) + (second > 0).astype(int)


def motion(k):
    axis, degrees, shift = MOTIONS[k]
    axis, angle = np.array(axis) / np.linalg.norm(axis), np.radians(degrees)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return turn, MIDDLES[k] - turn @ MIDDLES[k] + np.array(shift)


def write(path, labels):
    with open(path, 'wb') as out:
        out.write(('NRRD0004\ntype: unsigned short\ndimension: 3\nspace: left-posterior-superior\nsizes: %d %d %d\n'
                   'space directions: (%g,0,0) (0,%g,0) (0,0,%g)\nkinds: domain domain domain\nendian: little\n'
                   'encoding: raw\nspace origin: (%g,%g,%g)\n\n' % (*SIZE, SPACING, SPACING, SPACING, *ORIGIN)).encode())
        out.write(labels.astype('<u2').transpose(2, 1, 0).tobytes())


def main():
    if sys.argv[1:2] == ['check']:
        with open(sys.argv[2]) as record:
            results = json.load(record)['results']
        fragments = results['fragments']
        stays, stays_shift = motion([f['name'] for f in fragments].index(results['reference']))
        for k, fragment in enumerate(fragments):
            turn, shift = motion(k)
            found = np.array(fragment['place_from_ct'])
            there = MIDDLES[k] + np.vstack([20 * np.eye(3), -20 * np.eye(3)])
            here = there @ turn.T + shift
            wanted = there @ stays.T + stays_shift
            error = np.linalg.norm(here @ found[:3, :3].T + found[:3, 3] - wanted, axis=1).mean()
            print(fragment['name'], error)
            assert fragment['placed'] and error < 1, (fragment['name'], error)
        return
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in SIZE), indexing='ij'), axis=-1) * SPACING + ORIGIN
    labels = np.zeros(SIZE, int)
    for k in range(3):
        turn, shift = motion(k)
        there = (grid - shift) @ turn
        labels[(bone(there) < 0) & (piece(there) == k)] = 10 + k
    write('broken.seg.nrrd', labels)
    write('pieces.seg.nrrd', np.where(labels > 0, 1, 0))
    write('other.seg.nrrd', np.where(bone(grid * [-1, 1, 1]) < 0, 10, 0))


main()

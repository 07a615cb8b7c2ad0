"""Writes a bone-like body broken in two as labels: fracture.py FILE.nrrd VALUE_OF_THE_SECOND [SHIFT_MM TURN_DEG].
The second fragment is turned about z and y and shifted; the same for the same arguments."""
import math
import sys


def body(x, y, z):
    """Below 0 inside: a bent shaft of oval section that widens at both ends and bears a ridge."""
    wide = 1 + 0.5 * (z / 40) ** 2
    bump = 3.5 * math.exp(-((math.atan2(y, x - 6) / 0.4) ** 2)) * (1 + 0.3 * math.sin(z / 9))
    x -= 0.004 * z * z
    return math.hypot(x / 1.25, y) - 8 * wide - bump


def cut(x, y, z):
    return z - 4 - 0.25 * x - 1.2 * math.sin(0.7 * x + 0.3) * math.cos(0.6 * y) - 0.8 * math.sin(0.9 * y - 0.4 * x)


path, second = sys.argv[1], int(sys.argv[2])
shift, turn = (float(v) for v in (sys.argv[3:5] or ("6", "15")))
cz, sz = math.cos(math.radians(turn)), math.sin(math.radians(turn))
cy, sy = math.cos(math.radians(turn / 2)), math.sin(math.radians(turn / 2))
half, tall = 34, 62
voxels = bytearray()
for k in range(-tall + 8, tall + 1):
    for j in range(-half, half + 1):
        for i in range(-half, half + 1):
            value = 0
            if k < 14 and abs(k) <= 42 and body(i, j, k) < 0 and cut(i, j, k) < 0:
                value = 10
            elif k > -12:
                # Back from the displaced place: unshift, unturn about (0, 0, 22).
                x, y, z = i - shift * 0.4, j + shift * 0.3, k - 22 - shift
                x, z = cy * x + sy * z, -sy * x + cy * z
                x, y = cz * x + sz * y, -sz * x + cz * y
                z += 22
                if z <= 40 and body(x, y, z) < 0 and cut(x, y, z) > 0:
                    value = second
            voxels.append(value)
size = (2 * half + 1, 2 * half + 1, 2 * tall + 1 - 8)
header = (
    "NRRD0005\ntype: uint8\ndimension: 3\nspace: left-posterior-superior\nsizes: %d %d %d\n"
    "space directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (%d,%d,%d)\nkinds: domain domain domain\n"
    "encoding: raw\nendian: little\n\n" % (*size, -half, -half, -tall + 8)
)
with open(path, "wb") as out:
    out.write(header.encode() + bytes(voxels))

"""Writes damaged.nrrd, labels of an ellipsoid (semi-axes 13, 15, 23 mm, 1 mm voxels) with a ball cut out of its side, and prints the missing mm³."""
n, c, gone, body = 56, 27.5, 0, bytearray()
for k in range(n):
    for j in range(n):
        for i in range(n):
            x, y, z = i - c, j - c, k - c
            bone = (x / 13) ** 2 + (y / 15) ** 2 + (z / 23) ** 2 < 1
            hole = (x - 13) ** 2 + y ** 2 + (z - 8) ** 2 < 64
            body.append(int(bone and not hole))
            gone += bone and hole
with open("damaged.nrrd", "wb") as out:
    out.write(b"NRRD0004\ntype: uint8\ndimension: 3\nspace: left-posterior-superior\nsizes: 56 56 56\n"
              b"space directions: (1,0,0) (0,1,0) (0,0,1)\nkinds: domain domain domain\nencoding: raw\nspace origin: (-27.5,-27.5,-27.5)\n\n" + bytes(body))
print(gone)

"""Reads an unstructured grid of VTK's XML with raw appended data, by the format's description alone (VTK User's Guide,
XML file formats): read(path) gives {name: rows of components} with `points`, `connectivity`, the point and cell data,
and "comment". Anything that the description doesn't allow raises."""
import array
import re
import struct
import xml.etree.ElementTree as tree

CODES = {"Float32": "f", "Float64": "d", "Int64": "q", "UInt16": "H", "UInt8": "B"}


def read(path):
    whole = open(path, "rb").read()
    head, tail = whole.split(b'<AppendedData encoding="raw">\n_', 1)
    data, end = tail[: tail.rindex(b"</AppendedData>") - 1], tail[tail.rindex(b"</AppendedData>"):]
    root = tree.fromstring(head + b"<AppendedData>" + end)
    assert root.tag == "VTKFile" and root.get("type") == "UnstructuredGrid" and root.get("byte_order") == "LittleEndian"
    assert root.get("header_type") == "UInt64" and root.get("compressor") is None
    piece = root.find("UnstructuredGrid/Piece")
    points, cells = int(piece.get("NumberOfPoints")), int(piece.get("NumberOfCells"))
    rows = {"Points": points, "PointData": points, "CellData": cells, "Cells": cells}
    result, expected = {"comment": re.search(rb"<!--(.*?)-->", head).group(1).decode()}, 0
    for section in piece:
        for entry in section:
            name, offset = entry.get("Name"), int(entry.get("offset"))
            assert entry.get("format") == "appended" and offset == expected, (name, offset, expected)
            size, = struct.unpack_from("<Q", data, offset)
            values = array.array(CODES[entry.get("type")], data[offset + 8: offset + 8 + size])
            expected = offset + 8 + size
            width = len(values) // cells if name == "connectivity" else int(entry.get("NumberOfComponents", 1))
            assert len(values) == width * rows[section.tag], (name, len(values), width)
            result[name] = [tuple(values[r * width: (r + 1) * width]) for r in range(rows[section.tag])]
    assert expected == len(data), (expected, len(data))
    corners = len(result["connectivity"][0])
    assert set(result["types"]) == {({4: 10, 8: 12}[corners],)}  # tetrahedra or hexahedra
    assert [end for end, in result["offsets"]] == list(range(corners, corners * cells + 1, corners))
    return result


def volume(corners):
    """Signed volume of a straight hexahedron in VTK's order."""
    (o, x, _, y, z, *_) = corners
    a, b, c = ([p[i] - o[i] for i in range(3)] for p in (x, y, z))
    return (a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0]) + a[2] * (b[0] * c[1] - b[1] * c[0]))

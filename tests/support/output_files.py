"""Output files of tasks, made for tests: a figure as PNG and as SVG, and a table."""

from __future__ import annotations

import struct
import zlib


def png(width: int = 720, height: int = 480) -> bytes:
    """A scatter plot in the form of a volcano, written with the standard library only."""
    rows = [bytearray(b"\xff" * (3 * width)) for _ in range(height)]

    def dot(x: int, y: int, colour: tuple[int, int, int], r: int = 3) -> None:
        for dy in range(-r, r + 1):
            for dx in range(-r, r + 1):
                if dx * dx + dy * dy <= r * r and 0 <= x + dx < width and 0 <= y + dy < height:
                    rows[y + dy][3 * (x + dx) : 3 * (x + dx) + 3] = bytes(colour)

    for x in range(40, width - 10):
        dot(x, height - 40, (60, 60, 60), 0)
    for y in range(10, height - 40):
        dot(40, y, (60, 60, 60), 0)
    seed = 7
    for _ in range(900):
        seed = (seed * 1103515245 + 12345) % 2**31
        t = seed / 2**31 * 2 - 1
        seed = (seed * 1103515245 + 12345) % 2**31
        lift = (t * t * 0.9 + 0.1) * (seed / 2**31)
        colour = (160, 160, 160) if lift < 0.35 else (178, 34, 34) if t > 0 else (31, 95, 139)
        dot(int(width / 2 + 20 + t * (width / 2 - 60)), int(height - 50 - lift * (height - 80)), colour)
    raw = b"".join(b"\x00" + bytes(row) for row in rows)

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def svg() -> bytes:
    """Two survival-like step curves; the script and the outside picture in it must never take effect."""
    return (
        b'<?xml version="1.0" encoding="utf-8"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="480" height="320" '
        b'viewBox="0 0 480 320"><rect width="480" height="320" fill="#fff"/>'
        b'<script>document.title="owned"</script><image href="https://evil.example/p.png" width="9" height="9"/>'
        b'<path d="M40 20V280H460" fill="none" stroke="#333"/>'
        b'<path d="M40 30H110V60H180V95H260V120H360V150H450" fill="none" stroke="#1f5f8b" stroke-width="2"/>'
        b'<path d="M40 30H90V80H150V130H230V180H330V215H450" fill="none" stroke="#b22222" stroke-width="2"/>'
        b'<text x="200" y="308" font-size="13">time (unit not stated)</text></svg>'
    )


def table(rows: int = 30, columns: int = 0) -> bytes:
    """A differential expression table; `columns` adds that many numeric columns."""
    extra = [f"GSM{1000 + i}" for i in range(columns)]
    lines = ["\t".join(["gene", "log2_fold_change", "t", "p", "fdr", *extra])]
    genes = ["GATA3", "ESR1", "CA12", "FOXA1", "TFF3", "XBP1", "SLC39A6", "NAT1", "AGR2", "MLPH"]
    for i in range(rows):
        gene = genes[i] if i < len(genes) else f"GENE{i}"
        values = [f"{3.2 - 0.21 * i:.6g}", f"{12.4 - 0.5 * i:.6g}", f"{1.3e-19 * 7**i:.6g}", f"{2.4e-15 * 7**i:.6g}"]
        lines.append("\t".join([gene, *values, *(f"{(i * j) % 13 / 7:.6g}" for j in range(columns))]))
    return ("\n".join(lines) + "\n").encode()

"""Open output figures within limits and refuse blank ones; generated pictures are untrusted."""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.parsers import expat

if TYPE_CHECKING:
    from PIL import Image

MIN_PIXELS = 50
MAX_PIXELS = 60_000_000
MAX_SVG_BYTES = 20_000_000
_PNG = b"\x89PNG\r\n\x1a\n"
_DRAWING = {"path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text", "use", "image"}
_ACTIVE = {"script", "foreignobject", "iframe", "object", "embed", "audio", "video", "animate", "set", "handler"}
_REFERENCE = re.compile(r"((?:^|url\()['\"]?#)([^)'\"\s]+)")


class FigureError(ValueError):
    """The file is no usable figure; the message says why."""


@dataclass(frozen=True)
class FigureFacts:
    """Facts about a figure: its size in words and a digest of its picture."""

    summary: str
    digest: str


def read_figure(path: Path) -> FigureFacts:
    """Open a PNG, JPEG or SVG.

    Raises:
        FigureError: It cannot be decoded, is blank, tiny or huge, or (SVG) holds active or foreign content.
    """
    if path.suffix.lower() == ".svg":
        return _read_svg(path)
    if path.suffix.lower() in {".png", ".jpg", ".jpeg"}:
        return _read_pixels(path)
    raise FigureError(f"{path.suffix or 'no suffix'} is no known kind of figure; write .png or .svg")


def _read_pixels(path: Path) -> FigureFacts:
    from PIL import Image, UnidentifiedImageError

    try:
        with path.open("rb") as file:
            start = file.read(24)
        if start.startswith(_PNG) and start[12:16] == b"IHDR" and len(start) == 24:  # before anything is decoded
            _check_size(*struct.unpack(">II", start[16:24]))
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            _check_size(image.width, image.height)
            return _facts(image)
    except (UnidentifiedImageError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise FigureError(f"cannot be opened as a picture ({type(error).__name__})") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        if isinstance(error, FigureError):
            raise
        raise FigureError(f"is a broken picture ({str(error)[:80]})") from error


def _check_size(width: int, height: int) -> None:
    if min(width, height) < MIN_PIXELS:
        raise FigureError(f"is {width} × {height} pixels; at least {MIN_PIXELS} each way are expected")
    if width * height > MAX_PIXELS:
        raise FigureError(f"is {width} × {height} pixels, which is more than is opened")


def _facts(image: Image.Image) -> FigureFacts:
    pixels = image.convert("RGBA")
    extrema = pixels.getextrema()
    if all(isinstance(pair, tuple) and pair[0] == pair[1] for pair in extrema):
        raise FigureError("is blank: all pixels have one colour")
    digest = hashlib.sha256(f"{pixels.size}".encode() + pixels.tobytes()).hexdigest()
    return FigureFacts(f"{image.width} × {image.height} pixels", digest)


def picture_distance(one: Path, other: Path) -> float | None:
    """Return the mean difference of two pictures' colours on white, 0 (alike) to 1 (black and white).

    None when they have different sizes, or are SVG, of which only what is drawn can be compared.

    Raises:
        FigureError: One of them cannot be opened as a figure.
    """
    from PIL import Image, ImageChops, ImageStat

    for path in (one, other):
        read_figure(path)
    if ".svg" in (one.suffix.lower(), other.suffix.lower()):
        return None
    flat = []
    for path in (one, other):
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            pixels = image.convert("RGBA")
        white = Image.new("RGBA", pixels.size, "white")
        flat.append(Image.alpha_composite(white, pixels).convert("RGB"))
    if flat[0].size != flat[1].size:
        return None
    means = ImageStat.Stat(ImageChops.difference(*flat)).mean
    return float(sum(means) / (255 * len(means)))


class _SvgReader:
    """Expat handlers that count drawing elements, refuse active or foreign content, and collect what is shown."""

    def __init__(self) -> None:
        self.drawn = 0
        self.size = ""
        self.shown: list[str] = []
        self._open: list[str] = []
        self._ids: dict[str, str] = {}

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Check the start of an element, and collect it unless it lies in the metadata."""
        tag = name.rsplit(":", 1)[-1].lower()
        if tag in _ACTIVE:
            raise FigureError(f"holds active content (<{tag}>)")
        if not self._open:
            if tag != "svg":
                raise FigureError(f"its root is <{tag}>, not <svg>")
            self.size = f"{attributes.get('width', '?')} × {attributes.get('height', '?')}"
        self._open.append(tag)
        if "metadata" in self._open:
            return
        for key, value in attributes.items():
            _check_attribute(key.lower(), value)
        self.drawn += tag in _DRAWING and not {"defs", "clippath"} & set(self._open)
        kept = (f"{key}={self._stable(key, value)}" for key, value in sorted(attributes.items()))
        self.shown.append(" ".join([tag, *kept]))

    def _stable(self, key: str, value: str) -> str:
        """Replace identifiers, which plotting libraries draw at random, by numbers in order of appearance."""
        if key == "id":
            return self._ids.setdefault(value, f"id{len(self._ids)}")
        return _REFERENCE.sub(lambda m: m[1] + self._ids.setdefault(m[2], f"id{len(self._ids)}"), value)

    def end(self, _: str) -> None:
        """Leave the innermost element."""
        self._open.pop()

    def text(self, data: str) -> None:
        """Collect text that is shown."""
        if data.strip() and "metadata" not in self._open:
            self.shown.append(data.strip())
            if "@import" in data or "url(" in data.replace(" ", "").replace("url(#", ""):
                raise FigureError("refers to something outside in its style")

    def entity(self, *_: object) -> None:
        """Refuse an entity declaration: never needed in a figure."""
        raise FigureError("declares entities")


def _check_attribute(key: str, value: str) -> None:
    address = "".join(value.split()).lower()
    if key.startswith("on") or "javascript:" in address:
        raise FigureError(f"holds active content (attribute {key!r})")
    if key.rsplit(":", 1)[-1] in {"href", "src"} and not address.startswith(("#", "data:image/")):
        raise FigureError(f"refers to something outside ({value[:60]!r})")
    if re.search(r"url\((?!['\"]?#)", address):
        raise FigureError(f"refers to something outside ({value[:60]!r})")


def _read_svg(path: Path) -> FigureFacts:
    if path.stat().st_size > MAX_SVG_BYTES:
        raise FigureError(f"is larger than {MAX_SVG_BYTES // 1_000_000} MB")
    reader = _SvgReader()
    parser = expat.ParserCreate()
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.EntityDeclHandler = reader.entity
    try:
        parser.Parse(path.read_bytes(), True)
    except expat.ExpatError as error:
        raise FigureError(f"is no well-formed SVG ({error})") from error
    if reader.drawn < 2:  # one alone is the background
        raise FigureError("is blank: it draws nothing")
    digest = hashlib.sha256("\n".join(reader.shown).encode()).hexdigest()
    return FigureFacts(f"SVG, {reader.size}", digest)

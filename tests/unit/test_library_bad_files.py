"""Files that are no papers, or were made to do harm: each ends in one line, within limits, and the others are read."""

from __future__ import annotations

import hashlib
import io
import resource
import zlib
from pathlib import Path

import pytest
from pypdf import PdfWriter
from pypdf.generic import ArrayObject, DictionaryObject, NameObject, NumberObject
from test_library_pdf import lines_of, page_with

from bioresearcher.papers.canonical import UnreadablePaper
from bioresearcher.papers.documents import SourceFile
from bioresearcher.papers.reading_process import ReadingProcess, load_paper
from bioresearcher.sources.literature.own_papers import OwnPapers

PROSE = ["The samples were taken from patients and the genes of all of them were counted."] * 30
JATS = (
    "<!DOCTYPE article [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><article><front><article-meta><title-group>"
    "<article-title>Entities</article-title></title-group></article-meta></front>"
    "<body><sec><title>Results</title><p>Text &x; of the paper.</p></sec></body></article>"
)


def file_of(data: bytes) -> SourceFile:
    return SourceFile(name="x", suffix=".pdf", path="x.pdf", sha256=hashlib.sha256(data).hexdigest())


def growing_tree(levels: int = 12, kids: int = 12) -> bytes:
    """A page tree whose nodes are each listed many times: a few kilobytes, 12^12 pages."""
    writer = PdfWriter()
    node = writer.add_blank_page(100, 100).indirect_reference
    for _ in range(levels):
        tree = DictionaryObject({NameObject("/Type"): NameObject("/Pages"), NameObject("/Count"): NumberObject(2)})
        tree[NameObject("/Kids")] = ArrayObject([node] * kids)
        node = writer._add_object(tree)
    writer.root_object[NameObject("/Pages")] = node
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def flate_bomb() -> bytes:
    """A page whose drawing is 250 megabytes of zeros, packed twice into a few kilobytes."""
    packer = zlib.compressobj(9)
    once = b"".join(packer.compress(b"\0" * 10_000_000) for _ in range(25)) + packer.flush()
    data = page_with(b"@@@@")
    stream = zlib.compress(once, 9)
    start, end = data.index(b"stream\n") + 7, data.index(b"\nendstream")
    whole = data[:start] + stream + data[end:]
    return whole.replace(b"/Filter /FlateDecode", b"/Filter [/FlateDecode /FlateDecode]").replace(
        b"/Length %d" % (end - start), b"/Length %d" % len(stream)
    )


def test_a_real_pdf_is_read_the_same_in_a_process_of_its_own() -> None:
    data = page_with(lines_of("A title of some words", *PROSE))
    reader = ReadingProcess()
    first, second = reader.paper(file_of(data), data), reader.paper(file_of(data), data)
    reader.close()
    assert first == second
    assert "genes of all of them" in first[1].text


@pytest.mark.parametrize("make", [growing_tree, flate_bomb], ids=["page tree", "packed zeros"])
def test_a_bomb_is_stopped_and_the_next_paper_is_read(make) -> None:  # type: ignore[no-untyped-def]
    reader = ReadingProcess(cpu_s=4, memory=500_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    bomb = make()
    with pytest.raises(UnreadablePaper) as caught:
        reader.paper(file_of(bomb), bomb)
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    good = page_with(lines_of("A title of some words", *PROSE))
    assert "genes of all of them" in reader.paper(file_of(good), good)[1].text
    reader.close()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes


def test_a_reader_that_ended_for_want_of_work_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = ReadingProcess()
    good = page_with(lines_of("A title of some words", *PROSE))
    reader.paper(file_of(good), good)
    process = reader._process
    assert process is not None
    assert process.stdin is not None
    process.stdin.close()  # what it sees when there is nothing to do any more
    monkeypatch.setattr(process, "poll", lambda: None)  # and has not been noticed yet
    assert reader.paper(file_of(good), good)[0].id
    assert reader._process is not process
    reader.close()


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """A folder of 200 readable papers and every kind of bad file."""
    folder = tmp_path / "papers"
    folder.mkdir()
    for n in range(198):
        (folder / f"note{n:03}.md").write_text(f"# Paper {n}\n\n## Methods\n\nCox regression of cohort {n}.\n")
    (folder / "entity.xml").write_text(JATS)
    (folder / "nomethods.pdf").write_bytes(page_with(lines_of("A title of some words", *PROSE)))
    (folder / "long.pdf").write_bytes(page_with(lines_of(*PROSE[:3]), pages=900))
    (folder / "empty.pdf").write_bytes(b"")
    (folder / "login.pdf").write_text("<!DOCTYPE html><html><title>Log in</title></html>")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7\n" + bytes(range(256)) * 20)
    (folder / "cut.xml").write_text(JATS[:-30])
    (folder / "picture.pdf").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    return folder


def test_two_hundred_papers_are_read_beside_bad_files(bad: Path) -> None:
    papers, failures = OwnPapers([bad]).load()
    assert len(papers) == 200
    said = {f.item: f.message for f in failures}
    assert said.keys() == {"long.pdf", "empty.pdf", "login.pdf", "broken.pdf", "cut.xml", "picture.pdf"}
    assert "900 pages" in said["long.pdf"]
    assert "empty" in said["empty.pdf"]
    assert "web page" in said["login.pdf"]
    assert "well-formed" in said["cut.xml"]
    assert all("\n" not in message for message in said.values())
    _, entity = load_paper(bad / "entity.xml")
    assert "Text \ufffd of the paper." in entity.text  # the mark of an entity that is not looked up
    assert any("no methods section" in w for w in entity.warnings)
    assert any("no methods section" in w for w in load_paper(bad / "nomethods.pdf")[1].warnings)

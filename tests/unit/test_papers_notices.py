"""Notices are known, bound to their papers and not read; an identifier of another article is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from bioresearcher.papers.notices import another_article, as_recorded, bind_notices, notice_title
from bioresearcher.schemas.paper import NoticeTarget, Paper
from bioresearcher.sources.literature.own_papers import OwnPapers
from bioresearcher.stages.screen import ScreeningRules, check_status, ruled_out, unique

LINK = "xmlns:xlink='http://www.w3.org/1999/xlink'"


def paper(identifier: str, **given: object) -> Paper:
    return Paper.model_validate({"id": identifier, "title": f"A paper called {identifier}", "source": "own", **given})


def jats(doi: str, title: str, kind: str = "research-article", related: str = "", author: str = "Alpha") -> str:
    return (
        f"<article {LINK} article-type='{kind}'><front><article-meta><article-id pub-id-type='doi'>{doi}</article-id>"
        f"<title-group><article-title>{title}</article-title></title-group><contrib-group>"
        f"<contrib contrib-type='author'><name><surname>{author}</surname><given-names>Ann</given-names></name>"
        f"</contrib></contrib-group>{related}"
        f"</article-meta></front><body><sec><title>Methods</title><p>Cells of {title} were grown.</p></sec></body>"
        "</article>"
    )


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("Retraction: Loss of gene X slows closure", "retraction"),
        ("Retraction notice to “Loss of gene X” [J. Inv. 12 (2020) 1–9]", None),
        ("Notice of Retraction: Loss of gene X", "retraction"),
        ("Expression of Concern: Loss of gene X", "concern"),
        ("Correction to: Loss of gene X", "correction"),
        ("Author Correction: Loss of gene X", "correction"),
        ("Erratum", "correction"),
        ("Corrigendum to “Loss of gene X”", "correction"),
        ("Correction of anaemia in renal disease", None),
        ("Correction for multiple testing: a review", None),
        ("Retraction of the lung after biopsy", None),
        ("Expressions of concern among patients", None),
        ("Withdrawal of sedation: a trial", None),
    ],
)
def test_titles_announce_notices(title: str, kind: str | None) -> None:
    assert notice_title(title)[0] == kind


@pytest.mark.parametrize(
    ("kind", "related", "status"),
    [
        ("retraction", "retracted-article", "retracted"),
        ("correction", "corrected-article", "corrected"),
        ("expression-of-concern", "object-of-concern", "concern"),
    ],
)
def test_a_notice_beside_its_paper_sets_its_status_and_is_not_read(
    tmp_path: Path, kind: str, related: str, status: str
) -> None:
    link = f"<related-article ext-link-type='doi' related-article-type='{related}' xlink:href='10.9999/a.1'/>"
    (tmp_path / "a.xml").write_text(jats("10.9999/a.1", "Closure of wounds in cells without gene X"))
    (tmp_path / "z.xml").write_text(jats("10.9999/a.2", "Notice", kind, link))
    papers, failures = OwnPapers([tmp_path]).load()
    assert not failures
    (first, _), (second, _) = papers
    assert first.status == status
    assert [n.doi for n in first.notices] == ["10.9999/a.2"]
    assert [t.doi for t in second.notice_of] == ["10.9999/a.1"]
    ruled = ruled_out(second, ScreeningRules())
    assert ruled is not None
    assert ruled[0] == "type"
    assert "not read for methods" in ruled[1]


def test_a_paper_whose_file_declares_its_retraction_is_no_notice(tmp_path: Path) -> None:
    link = "<related-article ext-link-type='doi' related-article-type='retraction-forward' xlink:href='10.9999/a.2'/>"
    (tmp_path / "a.xml").write_text(jats("10.9999/a.1", "Closure of wounds", related=link))
    ((read, _),), _ = OwnPapers([tmp_path]).load()
    assert (read.status, read.notice_of) == ("retracted", ())


def test_notices_are_bound_by_title_where_they_name_no_identifier_and_by_pmid_among_all_sources() -> None:
    title = "Loss of gene X slows closure of wounds in skin cells"
    about = paper("n1", title=f"Retraction: {title}", notice_of=(NoticeTarget(what="retraction"),))
    other = paper("n2", source="pubmed", notice_of=(NoticeTarget(what="correction", pmid="7"),))
    bound = unique([paper("p1", title=title), paper("PMID7", pmid="7"), paper("p3"), about, other]).papers
    assert [p.status for p in bound] == ["retracted", "corrected", "unknown", "unknown", "unknown"]
    assert bind_notices(bound)[0].notices == bound[0].notices  # binding twice adds nothing


def test_two_articles_under_one_identifier_stay_two_and_say_so(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(jats("10.9999/a.1", "Closure of wounds in cells without gene X"))
    (tmp_path / "b.xml").write_text(jats("10.9999/a.1", "Violins of the old masters sound better", author="Omega"))
    papers, _ = OwnPapers([tmp_path]).load()
    assert [p.doi for p, _ in papers] == ["10.9999/a.1", None]
    assert len({p.id for p, _ in papers}) == 2
    assert all(any("another article" in w for w in document.warnings) for _, document in papers)


def test_titles_and_authors_must_both_differ() -> None:
    first = paper("a", title="Closure of wounds in cells", authors=("Ann Alpha",))
    assert another_article(first, paper("b", title="Violins of old masters", authors=("Omega, Otto",)))
    assert not another_article(first, paper("b", title="Violins of old masters", authors=("Alpha, A.",)))
    assert not another_article(first, paper("b", title="Closure of wounds in skin cells", authors=("Omega, O.",)))
    assert not another_article(first, paper("b", title="Violins of old masters"))


class Known:
    """A source that has one record under every PMID."""

    name = "pubmed"

    def __init__(self, record: Paper) -> None:
        self._record = record

    async def recheck(self, papers: list[Paper]) -> list[Paper]:
        return [as_recorded(p, self._record) for p in papers]


async def test_the_status_of_another_article_is_told_and_not_taken() -> None:
    own = paper("PMID7", pmid="7", title="Closure of wounds in cells", authors=("Ann Alpha",))
    record = paper("PMID7", pmid="7", title="Violins of old masters", authors=("Otto Omega",), status="retracted")
    (checked,), (row,), (failure,) = await check_status([Known(record)], [own], "check_status")
    assert checked.status == "unknown"
    assert row.sources == ()
    assert "another article under PMID 7: “Violins of old masters” by Otto Omega" in failure.message
    right = record.model_copy(update={"title": own.title})
    (checked,), _, failures = await check_status([Known(right)], [own], "check_status")
    assert (checked.status, checked.title, failures) == ("retracted", own.title, [])

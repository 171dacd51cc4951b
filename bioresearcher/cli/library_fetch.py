"""Papers by identifier: from PubMed files on this machine, else from literature services."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bioresearcher.errors import InputError, OutsideError

if TYPE_CHECKING:
    from bioresearcher.graph.services import Services
    from bioresearcher.library.identifiers import Identifiers
    from bioresearcher.schemas.paper import Paper
    from bioresearcher.schemas.passage import Document
    from bioresearcher.settings import Settings
    from bioresearcher.sources.pubmed_files import PubmedFiles

Got = tuple["Paper", "Document"] | InputError | OutsideError
"""A paper with its text, or why there is none."""


def fetch_all(wanted: Mapping[str, Identifiers], settings: Settings) -> dict[str, Got]:
    """What became of each name. The settings' PubMed files are looked into first; services are asked for the rest.

    Raises:
        InputError: A PubMed file of the settings does not exist.
        WorkspaceError: The library's folder cannot be written.
    """
    from bioresearcher.sources.pubmed_files import open_pubmed_files

    return asyncio.run(_fetch_all(wanted, settings, open_pubmed_files(settings.pubmed_xml, settings.workspace)))


async def _fetch_all(
    wanted: Mapping[str, Identifiers], settings: Settings, files: PubmedFiles | None
) -> dict[str, Got]:
    from bioresearcher.graph.services import open_services

    found: dict[str, Got] = {}
    services = open_services(settings, None)
    try:
        for name, identifiers in wanted.items():
            try:
                found[name] = await _fetch(name, identifiers, services, files)
            except (InputError, OutsideError) as error:
                found[name] = error
    finally:
        if services.http is not None:
            await services.http.close()
    return found


async def _fetch(
    name: str, identifiers: Identifiers, services: Services, files: PubmedFiles | None
) -> tuple[Paper, Document]:
    """The paper with the best text that can be had.

    Raises:
        InputError: There is no such paper, or it has neither text nor abstract.
        OutsideError: A service that might have it cannot be asked.
    """
    from bioresearcher.stages.texts import best_text

    unreached: OutsideError | None = None
    for source in (*((files,) if files else ()), *services.literature):
        try:
            hits = await source.search(_query(identifiers), 5)
        except OutsideError as error:
            unreached = error
            continue
        paper = next((p for p in hits.papers if _same(p, identifiers)), None)
        if paper is not None:
            document, _ = await best_text(services.literature, paper)
            return paper, document
    if unreached is not None:
        raise OutsideError(f"{name}: {unreached.message}", hint=unreached.hint) from unreached
    if not services.literature:
        raise OutsideError(
            f"{name}: no literature service is asked, because only_own is set.", hint="Give the paper's file."
        )
    raise InputError(f"{name}: no literature service knows such a paper.", hint="Check the identifier.")


def _query(identifiers: Identifiers) -> str:
    if identifiers.pmid:
        return f"{identifiers.pmid}[pmid]"
    return f"{identifiers.pmcid}[pmcid]" if identifiers.pmcid else f'"{identifiers.doi}"[doi]'


def _same(paper: Paper, identifiers: Identifiers) -> bool:
    from bioresearcher.library.identifiers import Identifiers

    known = Identifiers(pmid=paper.pmid, pmcid=paper.pmcid, doi=paper.doi).keys()
    return bool({*identifiers.keys()} & {*known})

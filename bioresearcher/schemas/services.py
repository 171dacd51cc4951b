"""Where literature and data services are asked, and how often."""

from __future__ import annotations

from pydantic import Field, field_validator

from bioresearcher.schemas.base import Value


class ServiceSettings(Value):
    """Addresses of services: a mirror or a test server can stand in for each. No key stands here."""

    eutils: str = Field(
        default="https://eutils.ncbi.nlm.nih.gov/entrez/eutils", description="NCBI's E-utilities: PubMed, PMC and GEO"
    )
    europepmc: str = Field(
        default="https://www.ebi.ac.uk/europepmc/webservices/rest", description="Europe PMC; empty: not asked"
    )
    crossref: str = Field(
        default="https://api.crossref.org", description="Crossref, asked for retractions; empty: not asked"
    )
    pmc_oa: str = Field(
        default="https://www.ncbi.nlm.nih.gov/pmc/utils/oa/oa.fcgi",
        description="PMC's open-access service, asked whether an article may be read; empty: not asked",
    )
    geo_page: str = Field(default="https://www.ncbi.nlm.nih.gov/geo/query/acc.cgi", description="GEO's accession page")
    geo_files: str = Field(default="https://ftp.ncbi.nlm.nih.gov/geo", description="GEO's files")
    email: str = Field(default="", description="sent along, as the services ask for; empty: not sent")
    ncbi_key_env: str = Field(
        default="NCBI_API_KEY", description="variable that holds a key of NCBI, which allows 10/s"
    )
    per_second: float | None = Field(
        default=None, gt=0, le=1000, description="requests per second and host (3 at NCBI, 10 with a key; 5 elsewhere)"
    )

    @field_validator("eutils", "europepmc", "crossref", "pmc_oa", "geo_page", "geo_files")
    @classmethod
    def _web_address(cls, url: str) -> str:
        if url and not url.startswith(("https://", "http://")):
            raise ValueError("must begin with https:// or http://")
        return url.rstrip("/")

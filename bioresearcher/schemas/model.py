"""Settings of a role's model, and of the literature and data services."""

from __future__ import annotations

from typing import Literal, get_args
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from bioresearcher.schemas.base import Value

Role = Literal["reader", "designer", "coder", "reviewer"]
ROLES: tuple[Role, ...] = get_args(Role)

Provider = Literal["openai", "azure", "anthropic", "google", "ollama", "compatible"]
"""`compatible` is any server with OpenAI's API at a base URL: vLLM, llama.cpp, LM Studio, LiteLLM, Ollama's /v1."""

StructuredMode = Literal["auto", "schema", "text", "tools"]
"""Ways to make an answer fit its schema: the server's JSON schema, or JSON asked for in words; `auto` tries both.

`tools` was a third way. It stands in settings files and run folders of earlier versions and now means `auto`.
"""


class ModelSettings(Value):
    """One configured model. It names the variable that holds the key, never the key."""

    provider: Provider
    model: str = Field(min_length=1, description="the provider's name of the model; for Azure the deployment")
    base_url: str | None = Field(default=None, description="address of the API; None is the provider's own")
    api_key_env: str | None = Field(default=None, description="environment variable with the key; None sends none")
    api_version: str | None = Field(default=None, description="Azure's API version")
    temperature: float | None = Field(default=None, ge=0, le=2, description="None leaves it to the provider")
    seed: int | None = None
    context: int | None = Field(default=None, ge=1024, description="tokens of prompt and answer together")
    max_output: int | None = Field(default=None, ge=64, description="tokens of an answer; None: the card's limit")
    structured: StructuredMode = "auto"
    stream: bool = Field(default=False, description="receive answers as they are written; for slow servers")
    timeout_s: float | None = Field(default=None, gt=0, description="seconds without an answer; None: the card's")
    concurrency: int = Field(default=4, ge=1, le=64, description="requests in flight at once at this endpoint")
    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)

    @field_validator("base_url")
    @classmethod
    def _is_http(cls, url: str | None) -> str | None:
        """Require an http(s) address without credentials."""
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must be an http or https address")
        if parts.username or parts.password:
            raise ValueError("must not hold a user name or password: keys come from the environment")
        return url.rstrip("/")

    @property
    def label(self) -> str:
        """Provider and model, e.g. `openai:gpt-5-mini`, as runs and reports show it."""
        return f"{self.provider}:{self.model}"

    @property
    def endpoint(self) -> str:
        """Provider and address; requests to one endpoint share a limiter."""
        return f"{self.provider} {self.base_url or ''}".strip()

    @property
    def on_this_machine(self) -> bool:
        """True when requests stay on this machine (a loopback address)."""
        if self.base_url is None:
            return self.provider == "ollama"
        host = urlsplit(self.base_url).hostname or ""
        return host in {"localhost", "::1"} or host.startswith("127.")


class ServiceSettings(Value):
    """Addresses of services, each of which a mirror or a test server can replace. They hold no key."""

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
    zotero: str = Field(
        default="http://127.0.0.1:23119/api", description="local API of a running Zotero, on this machine only"
    )
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

"""The smallest thing that a source can ask the web with: no politeness, no memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from bioresearcher.errors import OutsideError


@dataclass(frozen=True)
class Body:
    body: bytes


class NotFound(OutsideError):
    status = 404


class PlainWeb:
    async def get(self, url: str, params: Mapping[str, str] | None = None, *, kind: str, max_bytes: int) -> Body:
        assert kind
        return Body(await self._body(url, params, max_bytes))

    async def download(self, url: str, dest: Path, *, max_bytes: int) -> None:
        body = await self._body(url, None, max_bytes)
        dest.parent.mkdir(parents=True, exist_ok=True)
        dest.write_bytes(body)

    async def _body(self, url: str, params: Mapping[str, str] | None, max_bytes: int) -> bytes:
        try:
            async with httpx.AsyncClient(trust_env=False) as client, client.stream("GET", url, params=params) as answer:
                if int(answer.headers.get("content-length", "0")) > max_bytes:
                    raise OutsideError(f"{url}: larger than {max_bytes} bytes.")
                body = await answer.aread()
        except httpx.HTTPError as error:
            raise OutsideError(f"{url}: {error}") from error
        if answer.status_code == 404:
            raise NotFound(f"{url}: is not there.")
        if answer.status_code != 200:
            raise OutsideError(f"{url}: status {answer.status_code}.")
        return body

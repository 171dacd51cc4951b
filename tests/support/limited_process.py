"""A process that asks a server through the program's own doors: `python limited_process.py KIND URL FOLDER NUMBER`.

KIND `host`: GETs through `Http`, at most 10 a second. KIND `model`: calls through the limiter of a model's endpoint,
4 side by side here and everywhere, repeated as the server asks. KIND `turns`: the
same without any calls. One line is printed when it begins.
"""

import asyncio
import sys
from pathlib import Path

import httpx

from bioresearcher.limits.rate_limits import Limiter, RateLimits
from bioresearcher.llm.provider_errors import with_retries
from bioresearcher.sources.http import Http

PER_SECOND, IN_FLIGHT = 10.0, 4


async def host(url: str, folder: Path | None, number: int) -> None:
    web = Http(per_second={"": PER_SECOND}, limits=folder)
    await asyncio.gather(*(web.get(url, {"n": str(n)}, kind="record") for n in range(number)))
    await web.close()


async def model(url: str, folder: Path | None, number: int) -> None:
    limiter = Limiter(f"model {url}", RateLimits(in_flight=IN_FLIGHT), folder)
    async with httpx.AsyncClient(timeout=60) as client:

        async def call() -> None:
            (await client.get(url)).raise_for_status()

        asked = (with_retries(call, limiter=limiter, tokens=1, deadline_s=60) for _ in range(number))
        await asyncio.gather(*asked)


async def turns(url: str, folder: Path | None, number: int) -> None:
    limiter = Limiter(f"model {url}", RateLimits(in_flight=IN_FLIGHT), folder)
    for _ in range(number):
        async with limiter.slot(1):
            pass


if __name__ == "__main__":
    kind, url, folder, number = sys.argv[1:]
    print("begun", flush=True)
    asyncio.run(
        {"host": host, "model": model, "turns": turns}[kind](url, Path(folder) if folder else None, int(number))
    )

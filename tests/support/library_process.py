"""A process that asks, downloads, stores and searches in a workspace that others use too.

`python library_process.py FOLDER URL NUMBER SEARCHES` prints what it may rely on, a line each.
"""

import asyncio
import sys
from pathlib import Path

from test_library_index import WordVectors, document, long

from bioresearcher.retrieval.index import Library
from bioresearcher.sources.http import Http
from bioresearcher.sources.http_cache import AnswerStore

ANSWERS, DOCUMENTS = 12, 6


async def work(folder: Path, url: str, number: int, searches: int) -> None:
    web = Http(
        shared=AnswerStore(folder / "library" / "http.sqlite", disposable=True),
        per_second={"": 200},
        limits=folder / "limits",
    )
    with Library(folder / "library", embedder=WordVectors()) as library:
        print("begun", flush=True)
        await asyncio.gather(*(web.get(f"{url}/{n}", kind="record") for n in range(ANSWERS)))
        got = await web.download(f"{url}/file", folder / "library" / "geo" / "file", max_bytes=1 << 24)
        print(f"downloaded {got.sha256}", flush=True)
        for n in range(DOCUMENTS):
            await asyncio.to_thread(library.put, document(f"own-{number}-{n}", long(f"subject {number} part {n}", 3)))
            print(f"stored own-{number}-{n}", flush=True)
            for _ in range(searches):
                hits = await asyncio.to_thread(library.search, f"subject {number} part {n}", limit=3)
                assert hits, number
    await web.close()


if __name__ == "__main__":
    root, address, own, often = sys.argv[1:]
    asyncio.run(work(Path(root), address, int(own), int(often)))

"""Names and phrases by which placeholders, randomness and opaque code are recognised in code and outputs."""

from __future__ import annotations

import re

PLACEHOLDER_PATH = re.compile(
    r"path[/_ ]to[/_ ]|^/?path/|your[_ -](?:file|data|path|input|output|dataset|directory|folder)"
    r"|(?:^|/)(?:example|sample|dummy|test|toy|mock)(?:[_-]?data)?\.(?:csv|tsv|txt|xlsx?|json|h5ad|gmt)(?:\.gz)?$"
    r"|^/home/|^/Users/|^~/|^[A-Za-z]:[\\/]|<[a-z_ -]*(?:path|file|data)[a-z_ -]*>",
    re.IGNORECASE,
)
"""Paths that stand for a file somebody else would have to name."""

FOREIGN_PATH = re.compile(
    r"/(?:data|mnt|media|content|kaggle|workspace|work|root|srv|opt|var|scratch|drive|datasets?|inputs?|project"
    r"|lustre|gpfs|share|storage|volumes)(?:/[^\s/]+)+"
)
"""Absolute paths of data; the system's own (`/tmp`, `/dev/null`, `/usr`) are left to the sandbox."""

PLACEHOLDER_TEXT = re.compile(
    r"(?i:lorem ipsum)|\bTODO\b|\bFIXME\b|\bTBD\b|(?i:\bplaceholder\b)|(?i:\binsert [a-z ]{1,30} here\b)"
    r"|(?i:\byour [a-z]+ here\b)|(?i:\bfor demonstration(?: purposes)?\b)"
    r"|(?i:(?<!for )\b(?:example|dummy|mock|fake) (?:data|dataset|gene|value|result|output|text)s?\b)"
)
"""Content of outputs that is not a result."""

PLACEHOLDER_CELL = re.compile(r"\s*(?i:example|dummy|foo|bar|baz|xxx+|todo|tbd)\s*")
"""A table's cell or a text that is nothing but such a word."""

VARYING_MODULES = frozenset({"time", "uuid", "secrets", "tempfile", "psutil"})
VARYING_NAMES = frozenset(
    {"now", "utcnow", "today", "urandom", "getpid", "getppid", "getrandbits", "SystemRandom", "getrusage"}
)
"""Names whose values differ between two runs of the same code on the same data."""

BYTES_MODULES = frozenset({"hashlib", "zlib", "binascii", "hmac", "filecmp", "mmap"})
BYTES_NAMES = frozenset(
    {"getsize", "getmtime", "st_size", "st_mtime", "stat", "lstat", "fstat", "read_bytes", "hash_pandas_object"}
    | {"crc32", "md5", "sha1", "sha256", "hexdigest", "digest"}
)
"""Names that look at a file's bytes, size or age, not at its values."""

MIXING_NAMES = frozenset({"ord", "from_bytes", "crc32", "adler32", "sin", "bitwise_xor", "left_shift", "hash_array"})
"""Names by which numbers are made from text, or from numbers so that nothing of them is left."""

PLAIN_MODULES = frozenset(
    {"__future__", "collections", "dataclasses", "functools", "itertools", "json", "math", "operator", "re"}
    | {"statistics", "sys", "textwrap", "typing", "warnings"}
    | {"lifelines", "matplotlib", "numpy", "pandas", "scipy", "seaborn", "sklearn", "statsmodels"}
)
"""Modules whose calls give the same for the same values, random numbers of Python and numpy apart."""

NOT_PLAIN = frozenset(
    {"open", "read_text", "read_fwf", "readlines", "reader", "DictReader", "fromfile", "genfromtxt", "loadtxt"}
    | {"getattr", "setattr", "vars", "locals", "__dict__", "modules", "_getframe", "_exit", "environ", "n_jobs"}
    | {"memmap", "getsizeof", "memory_usage", "set_state", "setstate", "ctypeslib", "timeit"}
)
"""Names that give text in place of values, or something that cannot be seen in the code."""

OPAQUE_NAMES = frozenset({"exec", "eval", "compile", "__import__", "__builtins__", "globals"})
OPAQUE_MEMBERS = frozenset({"import_module", "Popen", "popen", "system", "b64decode", "execv", "posix_spawn"})
OPAQUE_MODULES = frozenset({"ctypes", "subprocess", "marshal", "builtins"})
"""Names that hide from a reader what the code does."""

NETWORK = re.compile(
    r"(?:requests|httpx|aiohttp|urllib3|socket|ftplib|smtplib|telnetlib|paramiko|websockets?|GEOparse|omnipath"
    r"|pybiomart|mygene|bioservices)(?:\..*)?|urllib\.request|http\.client|Bio\.Entrez"
)
"""Modules whose use is to reach the network."""

PACKAGE_OF_MODULE = {
    "sklearn": "scikit-learn",
    "PIL": "pillow",
    "cv2": "opencv-python",
    "Bio": "biopython",
    "yaml": "pyyaml",
    "skimage": "scikit-image",
    "umap": "umap-learn",
    "sksurv": "scikit-survival",
    "docx": "python-docx",
    "dateutil": "python-dateutil",
    "bs4": "beautifulsoup4",
    "rpy2": "rpy2 (and R)",
}
"""Names to install, where they differ from the module's."""

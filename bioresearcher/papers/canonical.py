"""The canonical text of a document: cleaned, built of sections and paragraphs, and addressed by character position.

Every character position in the program refers to this text, so it is made in one place. Rules: NFC; control,
zero-width and other invisible characters removed; data: URLs left out; whitespace runs inside a paragraph are one
space; paragraphs are separated by one blank line. Sections follow each other without overlap, each beginning with its
heading as a paragraph of its own (the title section's only paragraph is the title itself). The kinds of sections are
known by their titles, the language by script and function words.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, Literal

from bioresearcher.errors import InputError
from bioresearcher.schemas.paper import Document, Section, SectionKind
from bioresearcher.text.lookalikes import lookalikes
from bioresearcher.text.visible import hidden_characters, one_line

BREAK: Final = "\n\n"
"""The separator of two paragraphs."""

MAX_CHARACTERS: Final = 5_000_000
"""Longest canonical text; a long paper has 300,000 characters."""


class UnreadablePaper(InputError):
    """A file that cannot be read as a paper; callers that handle many files turn it into a `Failure`."""


_DATA_URL: Final = re.compile(
    r"\bdata:(?:[\w.+-]+/[\w.+-]+)?(?:;[\w.+-]+=[\w.+-]+)*(?:;base64,[A-Za-z0-9+/=%_-]*(?: [A-Za-z0-9+/=]{40,})*|,\S+)",
    re.IGNORECASE,
)
DATA_URL_LEFT_OUT: Final = "[data URL left out]"


def clean(text: str) -> str:
    """Clean a text into one paragraph of canonical text; idempotent.

    Private-use characters (unmapped glyphs of a PDF font) become U+FFFD, so that a lost comparison sign or
    Greek letter shows as lost. A `data:` URL (a picture or script written as text) is no text of the paper.
    """
    plain = " ".join(unicodedata.normalize("NFC", one_line(text)).split())
    return _DATA_URL.sub(_left_out, plain) if "data:" in plain.lower() else plain


def _left_out(match: re.Match[str]) -> str:
    """The mark for a `data:` URL; the text itself for short ones (`data:5,6`), prose that lacks a space."""
    return DATA_URL_LEFT_OUT if ";base64," in match[0].lower() or "/" in match[0].partition(",")[0] else match[0]


def text_hash(text: str) -> str:
    """The sha256 of a text's UTF-8 form, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


class DocumentBuilder:
    """Builds a `Document` from sections and paragraphs.

    Text that is empty after cleaning is dropped, and so are sections that stay empty.
    """

    def __init__(self) -> None:
        self._paragraphs: list[str] = []
        self._length = 0
        self._sections: list[tuple[str, SectionKind, int, int]] = []
        self._pages: list[int] = []
        self._pending: tuple[str, SectionKind, int, bool] | None = None
        self._warnings: list[str] = []
        self._hidden = 0

    def section(self, title: str, kind: SectionKind, level: int, *, heading: bool = True) -> None:
        """Begin a section; with `heading` its title also becomes a paragraph of the text."""
        self._pending = (clean(title), kind, level, heading)
        if heading and self._pending[0]:
            self._open()

    def paragraph(self, *parts: str) -> None:
        """Add a paragraph to the current section; each further part of it begins a new page.

        Raises:
            UnreadablePaper: The text grows beyond `MAX_CHARACTERS`.
        """
        self._hidden += sum(map(hidden_characters, parts))
        cleaned = [clean(part) for part in parts]
        if any(cleaned):
            self._open()
            self._append(cleaned)
        else:
            self._pages += [-1] * (len(parts) - 1)

    def page(self) -> None:
        """Start a new page with the text that is added next."""
        self._pages.append(-1)

    def warn(self, message: str) -> None:
        """Add a caveat about the source, once."""
        if message not in self._warnings:
            self._warnings.append(message)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The caveats added so far."""
        return tuple(self._warnings)

    def count(self, words: str) -> int:
        """Count the places where words stand in the text so far."""
        return sum(paragraph.count(words) for paragraph in self._paragraphs)

    def build(self, identifier: str, kind: Literal["jats", "pdf", "note", "record"]) -> Document:
        """Make the document.

        Raises:
            UnreadablePaper: There is no text at all.
        """
        if not self._paragraphs:
            raise UnreadablePaper("no text was found in it.", hint="Give a file that holds the paper's text.")
        text = BREAK.join(self._paragraphs)
        starts = [s[3] for s in self._sections]
        sections = tuple(
            Section(title=title, kind=own_kind, level=level, start=start, end=end)
            for (title, own_kind, level, start), end in zip(
                self._sections, [*(s - len(BREAK) for s in starts[1:]), len(text)], strict=True
            )
        )
        pages = tuple(len(text) if p < 0 else p for p in self._pages)
        language = language_of(text)
        self._caveats(text, language, {s.kind for s in sections}, body=kind != "note")
        return Document(
            id=identifier,
            text=text,
            sections=sections,
            pages=pages,
            kind=kind,
            sha256=text_hash(text),
            language=language,
            warnings=tuple(self._warnings),
        )

    def _caveats(self, text: str, language: str | None, kinds: set[SectionKind], *, body: bool) -> None:
        """Add the caveats that concern the text as a whole."""
        if language not in (None, "en"):
            self.warn(
                f"it seems to be written in {LANGUAGE_NAMES[language]}; "
                "sections and methods are recognised best in English."
            )
        if body and "methods" not in kinds:
            self.warn("no methods section was recognised.")
        if self._hidden:
            self.warn(f"{self._hidden:,} hidden characters were removed: text may have been hidden from readers.")
        odd = lookalikes(text)
        if odd:
            examples = ", ".join(repr(word[:40]) for word in odd[:3])
            self.warn(f"{len(odd):,} words mix letters of different scripts that look alike ({examples}).")

    def _open(self) -> None:
        if self._pending is None:
            if not self._sections:
                self._sections.append(("", "other", 1, 0))
            return
        title, kind, level, heading = self._pending
        self._pending = None
        start = self._length + len(BREAK) if self._paragraphs else 0
        self._sections.append((title, kind, level, start))
        if heading and title:
            self._append([title])

    def _append(self, parts: list[str]) -> None:
        start = self._length + len(BREAK) if self._paragraphs else 0
        if start + sum(map(len, parts)) > MAX_CHARACTERS:
            raise UnreadablePaper(
                f"it holds more than {MAX_CHARACTERS:,} characters.", hint="Split it into single papers."
            )
        text = ""
        for number, part in enumerate(parts):
            if number:
                self._pages.append(-1)
            if part:
                text += f" {part}" if text else part
                self._settle(start + len(text) - len(part))
        self._paragraphs.append(text)
        self._length = start + len(text)

    def _settle(self, offset: int) -> None:
        """Set the start of the pages that have no character yet."""
        for i in range(len(self._pages) - 1, -1, -1):
            if self._pages[i] >= 0:
                break
            self._pages[i] = offset


def section_at(document: Document, offset: int) -> Section | None:
    """The section that holds a character position, or None between two sections."""
    starts = [s.start for s in document.sections]
    i = bisect_right(starts, offset) - 1
    if i < 0 or offset >= document.sections[i].end:
        return None
    return document.sections[i]


def page_of(document: Document, offset: int) -> int | None:
    """The page (from 1) that holds a character position; None when the source has no pages."""
    return max(1, bisect_right(document.pages, offset)) if document.pages else None


def paragraphs(document: Document, section: Section) -> Iterator[tuple[int, int]]:
    """The (start, end) of a section's paragraphs without its heading."""
    start = section.start
    first = True
    while start < section.end:
        end = document.text.find(BREAK, start, section.end)
        end = section.end if end < 0 else end
        is_heading = first and section.kind != "title" and document.text[start:end] == section.title
        if end > start and not is_heading:
            yield start, end
        first = False
        start = end + len(BREAK)


def section_text(document: Document, kinds: Iterable[SectionKind]) -> str:
    """The text of all sections of the given kinds, headings included, in reading order."""
    wanted = set(kinds)
    return BREAK.join(document.text[s.start : s.end] for s in document.sections if s.kind in wanted)


_BEFORE_METHODS: Final = (
    r"(the|our|used|applied|proposed|new|materials?|reagents?|chemicals?|patients?|subjects?|animals?|mice|cells?|tissues?"
    r"|data|datasets?|databases?|samples?|specimens?|participants?|populations?|cohorts?|controls?|experiments?"
    r"|experimental|studies|study|trial|research|survey|search|review|literature|designs?|settings?|systems?|star|online"
    r"|on-?line|key|concise|detailed|brief|full|short|extended|general|additional experimental|computational|numerical"
    r"|mathematical|statistical|analytical|bioinformatics?|simulation|modell?ing|models?|theory|theoretical|laboratory"
    r"|lab|wet[- ]lab|clinical|genetic|molecular|surgical|sampling|measurement|quantitative|qualitative|evaluation"
    r"|technical|tools?|software|sources?|equipment|instruments?|apparatus|strains?|plants?|subjects/materials"
    r"|background|aims?|objectives?|definitions?|outcomes?|ethics|context|in silico|of)"
)
"""Words that stand before Methods in headings, alone or several."""

_KINDS: Final[tuple[tuple[SectionKind, str], ...]] = (
    ("references", r"references?( list| cited)?|literature( cited)?|bibliography|works cited"),
    ("abstract", r"(structured |graphical )?abstract|(author |plain[- ]language )?summary|synopsis"),
    (
        "data_availability",
        r".*\b(data|code|software)\b.*\b(availab\w+|access\w*|deposit\w*|sharing|archiv\w+)\b.*"
        r"|availability of (supporting )?(data|code|materials?).*|accession (numbers?|codes?)",
    ),
    (
        "supplementary",
        r"(electronic )?(supplement\w+|supporting|additional)"
        r"( (and|supplement\w+|online|electronic|web|digital|source|video|audio|extended))*"
        r"( (information|materials?|data|documents?|files?|figures?|tables?|videos?|movies?|texts?|notes?|methods?"
        r"|content|discussion|results|references|items?|legends?|appendi\w+|resources?)\b.*)?"
        r"|electronic supplementary\b.*|pre-?publication history|appendi(x|ces)\b.*|extended data\b.*",
    ),
    (
        "methods",
        rf"({_BEFORE_METHODS}( and |, and |, | & | / |/| ))*(methods?|methodolog\w+|procedures?)\b.*"
        r"|experimental( (section|part|design|details?|procedures?|protocols?|set-?up|work|methods?|conditions?)\b.*)?"
        r"|experimental model(s)?( and (study )?(subject|participant)s?( and participant)? details)?"
        r"|methods and .*|statistic\w+( and .*)?|(statistical|data) (analys[ie]s|methods?)( and .*)?"
        r"|(study|trial|research|survey) (designs?|populations?|settings?|areas?|sites?|samples?|participants|subjects"
        r"|protocols?|overview)\b.*"
        r"|(the )?(study |trial |experimental )?protocols?|(key )?resources? tables?|method details?"
        r"|quantifications? and statistical analys[ie]s|(reagents?|chemicals)( and .*)?"
        r"|materials?( and (reagents?|equipment|animals?|cells?|patients?))?"
        r"|patients?( and (controls?|samples?|materials?|tissues?|specimens?|study \w+))?"
        r"|participants?( and (setting|procedures?|samples?|materials?))?|subjects( and (samples?|materials?))?"
        r"|(the )?models?|model descriptions?|implementation|algorithms?( and implementation)?"
        r"|simulation (set-?up|study|design)"
        r"|(mathematical|computational|theoretical|statistical) models?( and .*)?"
        # the names that single journals or families of journals use
        r"|star ?.?\W? ?methods?\b.*|(online|extended|detailed|concise|full|short|general|supplementary|computational"
        r"|proposed|laboratory|clinical|research|statistical|our|the) (materials? and )?(methods?|methodolog\w+)\b.*"
        r"|((research|trial|study) )?designs?( and |, )((research|study) )?(methods?|methodolog\w+|patients|setting"
        r"|participants|population)\b.*"
        r"|(proposed|our) (approach|models?|systems?|algorithms?|framework)\b.*"
        r"|(patients?|subjects|participants)( and |, | & )(controls?|samples?|settings?|interventions?|study design"
        r"|designs?|study population)\b.*|materials? (and|&) (reagents?|animals?|samples?|patients?|subjects?)\b.*",
    ),
    ("discussion", r"discussion\b.*|conclusions?\b.*|concluding remarks|limitations?\b.*"),
    ("results", r"results?\b.*|findings"),
    (
        "introduction",
        r"introduction|background( and .*)?|objectives?( of .*)?|aims?( of .*)?|rationale"
        r"|background to .*|introductory remarks",
    ),
    (
        "other",
        r"acknowledge?ments?( and \w+)?|funding( \w+){0,3}|financial (support|disclosure)s?|competing \w+( \w+){0,2}"
        r"|conflicts? of interests?( \w+){0,2}"
        r"|disclosures?|authors?['’]? contributions?|author contributions?|abbreviations?( list)?|glossary"
        r"|(declarations?|ethic\w+)( \w+){0,4}|consent( \w+){0,5}",
    ),
    (
        "front",
        r"key ?words?|highlights|key points|schlüsselwörter|mots[- ]clés|palabras clave|palavras-chave|parole chiave",
    ),
    # the plainest headings of other languages, so that their papers fall into sections too
    (
        "references",
        r"literatur(verzeichnis)?|références( bibliographiques)?|referencias( bibliográficas)?|referências"
        r"|bibliografia",
    ),
    ("abstract", r"zusammenfassung|résumé|resumen|resumo|riassunto"),
    (
        "methods",
        r"((material(ien)?|patienten|daten) und )?(methoden|methodik)|((matériels?|patients?|sujets) et )?méthodes?"
        r"|((materiale?s?|pacientes) [ye] )?m[ée]todos|((materiali|pazienti) e )?metodi",
    ),
    ("results", r"ergebnisse|résultats|resultados|risultati"),
    (
        "discussion",
        r"diskussion|discusión|discussão|discussione|schlussfolgerung(en)?|conclusión|conclusiones|conclusões|conclusioni",
    ),
    ("introduction", r"einleitung|hintergrund|introducción|introdução|introduzione"),
)
_TITLES: Final = tuple((kind, re.compile(pattern)) for kind, pattern in _KINDS)
HEADING_NUMBER: Final = re.compile(r"^(\(?[0-9]{1,2}(\.[0-9]{1,2}){0,3}[.)]?|[ivxIVX]{1,5}[.)]|[A-H][.)])\s+")


_STARS: Final = re.compile(r"(?<=star)\s*[★☆✩✪✭✯*+⋆∗]\s*|^[★☆*⋆]\s*|[★☆⋆]", re.IGNORECASE)


def _heading(title: str) -> str:
    """A heading in small letters without its number and full stop, and without the star of Cell Press."""
    plain = HEADING_NUMBER.sub("", _STARS.sub(" ", clean(title)))
    return " ".join(plain.rstrip(".: ").lower().split())


def section_kind(title: str, declared: str = "") -> SectionKind | None:
    """The kind of a section by its title, else by its declared JATS `sec-type`; None when they name no kind.

    The title goes first because typesetters declare `conclusions` of “Results and Discussion”.
    """
    words = declared.lower().replace("|", " ").replace("-", " ").strip()
    for text in (_heading(title), words):
        if not text or len(text) > 120:
            continue
        if text.replace(" and ", " ") == "materials methods":
            return "methods"
        for kind, pattern in _TITLES:
            if pattern.fullmatch(text):
                return kind
    return None


_SAMPLE: Final = 20_000
_LEAST_WORDS: Final = 20
_WORD: Final = re.compile(r"[^\W\d_]+")
_SCRIPTS: Final = (
    ("ja", "Japanese", "\u3040-\u30ff"),
    ("ko", "Korean", "\uac00-\ud7af"),
    ("zh", "Chinese", "\u4e00-\u9fff"),
    ("ru", "a language in Cyrillic script", "\u0400-\u04ff"),
    ("el", "Greek", "\u0386-\u03ff"),
    ("ar", "a language in Arabic script", "\u0600-\u06ff"),
    ("he", "Hebrew", "\u0590-\u05ff"),
    ("hi", "a language in Devanagari script", "\u0900-\u097f"),
    ("th", "Thai", "\u0e00-\u0e7f"),
)
# Words that are frequent in one of the languages and in none of the others (nor a sign, gene or unit).
_LATIN: Final = (
    ("en", "English", "the of and were was with for that which from this between"),
    ("de", "German", "der die das und wurde wurden mit von den bei nicht einer eine zwischen durch"),
    ("fr", "French", "les des et dans une est ont été avec pour sur aux chez nous cette"),
    ("es", "Spanish", "los las y una con por para el del fueron entre pacientes mediante como este"),
    ("pt", "Portuguese", "os as e uma com por foram não dos das pelo pela em ao são"),
    ("it", "Italian", "il della di gli nel con sono stati delle che tra dei degli alla è"),
    ("nl", "Dutch", "het een en van werd werden met voor bij de zijn aan niet tussen door"),
    ("pl", "Polish", "oraz się nie przez były jest dla z w na do pacjentów badania od po"),
    ("da", "Danish", "og af der den med til ikke som blev hos patienter mellem på fra efter"),
    ("sv", "Swedish", "och av som med att det inte för var hos patienter mellan på från efter"),
    ("tr", "Turkish", "ve bir ile için olarak bu da olan daha hastaların çalışmada gruplar arasında olduğu göre"),
)
_LANGUAGES_OF: Final = {
    word: tuple(code for code, _, others in _LATIN if word in others.split())
    for _, _, words in _LATIN
    for word in words.split()
}
"""Function word → the languages that have it."""

LANGUAGE_NAMES: Final = {code: name for code, name, _ in (*_LATIN, *_SCRIPTS)}
"""The languages that are recognised: ISO 639-1 code → English name."""


def language_of(text: str) -> str | None:
    """The ISO 639-1 code of the language most of a text is written in; None when it is too short or unclear.

    A script that only a few languages use stands for the commonest of them (Cyrillic: `ru`). In Latin script the
    language is the one whose function words are most frequent, at least 5 % of all words.
    """
    middle = max(0, len(text) // 2 - _SAMPLE // 2)
    sample = text if len(text) <= 2 * _SAMPLE else text[:_SAMPLE] + text[middle : middle + _SAMPLE]
    letters = sum(map(str.isalpha, sample))
    for code, _, characters in _SCRIPTS:
        # Japanese mixes in Chinese characters, so a fifth of kana is enough; Greek letters are also symbols
        if letters >= 40 and len(re.findall(f"[{characters}]", sample)) > letters * (0.15 if code == "ja" else 0.4):
            return code
    words = _WORD.findall(sample.lower())
    if len(words) < _LEAST_WORDS:
        return None
    counts: Counter[str] = Counter()
    for word in words:
        for code in _LANGUAGES_OF.get(word, ()):
            counts[code] += 1
    best = counts.most_common(2)
    if not best or best[0][1] < 0.05 * len(words) or (len(best) > 1 and best[0][1] == best[1][1]):
        return None
    return best[0][0]

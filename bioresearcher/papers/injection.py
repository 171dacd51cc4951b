"""Prompt injection in papers: deterministic rules find sentences written for a model, and these are not passed on.

Text is compared in a folded form: compatibility forms, invisible characters and letters of other alphabets that look
like Latin ones make no difference. A stretch that only the fold reveals is just as suspicious. The rules are lines of
defence, not proof: what they miss still reaches a model only as delimited text, and its quotes must still be found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from bioresearcher.papers.canonical import paragraphs
from bioresearcher.schemas.paper import Document, Paper, Passage
from bioresearcher.schemas.paper_report import Suspect
from bioresearcher.text.lookalikes import fold, lookalikes
from bioresearcher.text.words import sentences

_EXCERPT: Final = 160
"""Characters of a suspicious sentence that are kept for the run report."""

_MODEL = r"(?:ai|a\.i\.|llms?|(?:large )?language models?|chat ?gpt|gpt(?:-?\d\w*)?|claude|gemini|llama|chat ?bots?)"
_RULES: Final = tuple(
    (reason, re.compile(fold(pattern), re.IGNORECASE))  # what it is compared with is folded too
    for reason, pattern in (
        (
            "tells its reader to ignore instructions",
            r"\b(?:ignor\w*|disregard\w*|forget|overrid\w+|bypass|discard)\b(?:\W+\w+){0,4}?\W+(?:(?:all|any|previous|prior|earlier"
            r"|above|preceding|your|system|these|those|former|other|safety)\W+)+(?:\w+\W+){0,3}?"
            r"(?:instructions?|prompts?|rules|guidelines|directions|directives|orders|commands?|messages?|training)\b"
            r"|\bignor(?:ez|iere\w*|a(?:d|te)?|ar)\b(?:\W+\w+){0,4}?\W+(?:instru[ck]\w*|anweisung\w*|istruzion\w*)"
            r"|忽略.{0,8}(?:指令|指示|说明)|以前の指示を無視|игнорируй\w*.{0,30}инструкц"
            r"|\b(?:ignore|disregard|forget)\W+(?:everything|all)\W+(?:above|before|you\b|of\W+the\W+above)",
        ),
        (
            "gives a model a role or new instructions",
            rf"\byou\s+are\s+(?:now\s+)?(?:an?\s+|the\s+)?(?:\w+\s+)?(?:{_MODEL}|assistant|system|reviewer|root)\b|\bas\s+an?\s+(?:ai|llm)\b"
            r"|\b(?:new|updated|additional|hidden|real|actual)\s+(?:system\s+)?instructions?\s*:|\bsystem\s+(?:prompt|message|override)\b"
            r"|\bdeveloper\s+(?:mode|message)\b|\bjailbreak\b|\bfrom\s+now\s+on,?\s+you\b|\byour\s+(?:new\s+)?(?:task|role|job)\s+is\s+(?:now\s+)?to\b",
        ),
        (
            "addresses a model",
            rf"\b(?:dear|attention|note\s+to|message\s+to|to\s+(?:the|any)|for)\s+(?:{_MODEL}|ai\s+\w+|automated\s+re\w+)\s*[:,!]"
            rf"|\bif\s+you\s+are\s+(?:an?\s+)?(?:{_MODEL}|ai\b|automat\w+)"
            rf"|\b{_MODEL}(?:\s+\w+)?\s+(?:must|shall|should\s+(?:always|now|only))\s+(?:give|score|rate|output|answer|call|run|return|write"
            r"|include|cite|rank|respond|recommend|select|accept|report|say|add|state)\b",
        ),
        (
            "asks for a judgement of itself",
            r"\b(?:score|rate|rank|mark|grade|classify|judge|label|select|include|accept|recommend)\s+(?:this|the\s+present)\s+(?:paper|study"
            r"|article|part|report|manuscript|work)\s+(?:as|with|highly|at|first|above|\d|in\s+(?:every|any|all))"
            r"|\b(?:give|assign|award)\s+(?:this|it|the\s+present)\s*(?:paper|study|article|part|manuscript)?\s+(?:a\s+|the\s+)?(?:\w+\s+)?"
            r"(?:score|rating|mark|highest|maximum|[1-9]\d?\b|\d+\s*(?:/|out))|\bgive\s+(?:only\s+)?(?:a\s+)?positive\s+review"
            r"|\b(?:set|answer|return|output)\s+[\"'`]?[a-z]+_[a-z_]+[\"'`]?\s*(?:to|=|:|with)?\s*[\"'`]?(?:true|yes|high|[1-9])\b"
            r"|\b(?:set|mark)\s+(?:the\s+|every\s+|all\s+)?(?:score|referability|relevance|verdict)s?\s+(?:to|as|=)\s"
            r"|\banswer\s+(?:every|all)\s+(?:the\s+)?questions?\s+with\b"
            r"|\bdo\s+not\s+(?:mention|report|reveal|tell|flag)\s+(?:this|these|the)\s+(?:instruction|message|text|sentence|paragraph|note)",
        ),
        (
            "holds a tool call or a command",
            r"</?(?:tool|function|antml|invoke)[_:\w]*[\s>]|\"(?:tool|function)(?:_calls?|_name|s)?\"\s*:|\"arguments\"\s*:"
            r"|\btool_(?:calls?|use)\b|\brm\s+-rf?\b|\bos\.system\s*\(|\bsubprocess\.\w+\s*\(|\b__import__\s*\(|\b(?:curl|wget)\b[^|\n]{0,160}\|\s*(?:ba)?sh\b"
            r"|\b(?:call|invoke|use|run)\s+the\s+(?:\w+\s+)?(?:tool|function|shell|terminal)\b(?!\s+box)|\bDROP\s+TABLE\b|\bpowershell\s+-",
        ),
        (
            "holds the markup of a conversation",
            r"<\|?\s*/?(?:im_start|im_end|system|user|assistant|endoftext|eot_id|start_header_id)\s*\|?>|\[/?INST\]|<</?SYS>>"
            r"|</?(?:instructions?|prompt|context|message)>|(?:^|\n|\.\s+)#{2,3}\s*(?:instructions?|system|response|user|assistant)\b"
            r"|(?:^|\n)\s*(?:system|assistant|user|human)\s*:\s*\S",
        ),
        (
            "imitates the delimiters of a prompt",
            r"<{3}\s*untrusted|‹{3}\s*untrusted|(?:^|\s)>{3}(?:\s|$)"
            r"|\buntrusted\s+(?:passage|paper|title|abstract|section)\b",
        ),
        (
            "holds a template's syntax",
            r"\{\{.{0,200}?\}\}|\{%.{0,200}?%\}|\$\{[A-Za-z_]\w*\}"
            r"|<%.{0,200}?%>|\{#.{0,200}?#\}",
        ),
        (
            "holds a script or an address with data",
            r"\bdata:(?:[\w.+-]+/[\w.+-]+)?(?:;[\w=-]+)*,|\bdata:text/|\bjavascript:|\bvbscript:|\bfile:///|<\s*(?:script|iframe|object|embed|svg|img)\b"
            r"|\bon(?:load|error|click|mouseover)\s*=",
        ),
        (
            "holds a path out of its folder",
            r"(?:\.\.[/\\]){2,}|(?:^|\s)\.\.[/\\]\w|/etc/(?:passwd|shadow|hosts)\b|~/\.\w+"
            r"|\b[A-Z]:\\(?:Windows|Users)\b|%2e%2e",
        ),
        (
            "imitates an answer",
            r"\{\s*[\"']?(?:parts?|steps?|quotes?|literature|same_\w+|part_id|action|metrics|answers?|scores?|verdict|reusable_steps|feasible"
            r"|paper_id|kept|code|tasks?)[\"']?\s*:",
        ),
        (
            "asks for secrets",
            r"\b(?:reveal|print|show|send|leak|exfiltrate|repeat|output|post|upload|disclose)\b(?:\W+\w+){0,5}?\W+(?:api[\s_-]?keys?|passwords?"
            r"|system\s+prompt|secrets?|credentials?|environment\s+variables?|hidden\s+prompt|access\s+tokens?)\b",
        ),
    )
)
_BLOB: Final = re.compile(r"[A-Za-z0-9+/_-]{120,}={0,2}")


def suspicion(text: str) -> str:
    """The reason why a text looks as if it were written for a model; empty when it does not."""
    folded = fold(text)
    for reason, pattern in _RULES:
        if pattern.search(folded):
            return reason
    for match in _BLOB.finditer(text):
        if re.search(r"[a-z]", match[0]) and re.search(r"[A-Z]", match[0]) and re.search(r"\d", match[0]):
            return "holds encoded data"
    return "mixes alphabets within words" if len(lookalikes(text)) >= 2 else ""


def find_suspects(document: Document) -> tuple[tuple[int, int, Suspect], ...]:
    """The suspicious sentences and titles of a document with start and end, in order; references are not searched.

    Two neighbouring sentences that are suspicious only together are both found.
    """
    found: dict[tuple[int, int], Suspect] = {}
    for section in document.sections:
        if section.kind == "references":
            continue
        spans = [span for start, end in paragraphs(document, section) for span in sentences(document.text, start, end)]
        for number, reason in _suspicious([document.text[a:b] for a, b in spans]):
            start, end = spans[number]
            found[start, end] = Suspect(
                reason=reason, text=document.text[start:end][:_EXCERPT], section=section.title, start=start
            )
        reason = suspicion(section.title)
        if reason:
            span = section.start, section.start + len(section.title)
            excerpt = section.title[:_EXCERPT]
            found[span] = Suspect(reason=reason, text=excerpt, section=section.title, start=section.start)
    return tuple((start, end, suspect) for (start, end), suspect in sorted(found.items(), key=lambda i: i[0]))


def _suspicious(texts: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Positions of suspicious sentences with the reason."""
    if not suspicion("\n".join(texts)):  # nearly always: one look at a whole section
        return
    reasons = [suspicion(text) for text in texts]
    for number in range(1, len(texts)):
        if not reasons[number - 1] and not reasons[number]:
            together = suspicion(f"{texts[number - 1]} {texts[number]}")
            reasons[number - 1] = reasons[number] = together
    yield from ((number, reason) for number, reason in enumerate(reasons) if reason)


def redacted_text(text: str) -> str:
    """Remove the suspicious sentences from a title or abstract."""
    spans = list(sentences(text))
    bad = {number for number, _ in _suspicious([text[a:b] for a, b in spans])}
    return text if not bad else " ".join(text[a:b] for n, (a, b) in enumerate(spans) if n not in bad)


def redacted_record(paper: Paper) -> Paper:
    """Remove the suspicious sentences from a paper's title and abstract."""
    title, abstract = redacted_text(paper.title), redacted_text(paper.abstract)
    if (title, abstract) == (paper.title, paper.abstract):
        return paper
    return paper.model_copy(update={"title": title or paper.id, "abstract": abstract})


def redacted_passage(passage: Passage, spans: Sequence[tuple[int, int]]) -> Passage | None:
    """Remove suspicious spans of the document from a passage; None when nothing is left."""
    kept, at = [], passage.start
    for start, end in spans:
        if start < passage.end and end > passage.start:
            kept.append(passage.text[at - passage.start : max(at, start) - passage.start])
            at = max(at, min(end, passage.end))
    if not kept:
        return passage
    kept.append(passage.text[at - passage.start :])
    text = " ".join(filter(None, (k.strip() for k in kept)))
    return passage.model_copy(update={"text": text}) if text else None

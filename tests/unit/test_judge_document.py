"""Documents from elsewhere judged by a model: nothing counts without their words, and every line is seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_server import ModelServer, Seen

from bioresearcher.errors import InputError
from bioresearcher.events import EventLog
from bioresearcher.llm.ask import ModelClient
from bioresearcher.llm.budget import load_prices
from bioresearcher.llm.chat import ChatBackend
from bioresearcher.llm.ledger import Ledger
from bioresearcher.llm.shorten import tokens_of
from bioresearcher.prompts import PromptBook
from bioresearcher.resources import Resources, load_cards
from bioresearcher.review.check import CheckContext
from bioresearcher.review.pieces import cut, stretches
from bioresearcher.review.reading.kind import kind_of
from bioresearcher.review.reading.protocol import places_in, protocol_from_text, read_protocol
from bioresearcher.review.render import FileReview, as_html
from bioresearcher.review.render_judgement import judgement_lines
from bioresearcher.review.rubrics import checklist_named, checklists, choose_checklists, rubrics
from bioresearcher.review.sarif import as_sarif
from bioresearcher.schemas.model import ROLES, ModelSettings
from bioresearcher.schemas.review import METRICS, Review
from bioresearcher.stages.judge import PIECE_TOKENS, JudgeOptions, judge_document

STOCKS = """# Stock solutions

1. Dissolve 1 g chloramphenicol in 40 ml ethanol for a stock of 25 mg/µl.
2. Add 1 ml of the 50 mg/ml kanamycin stock to 1 L of medium for 50 µg/ml.
3. Store at -20 °C in the dark.
"""
UNIT = "for a stock of 25 mg/µl"


def finding(quote: str = UNIT, **more: object) -> dict[str, object]:
    base: dict[str, object] = {"location": "step 1", "quote": quote, "problem": "The unit is a thousandfold off."}
    base |= {"why": "1 g in 40 ml is 25 mg/ml.", "consequence": "invalidates the result", "mend": "Write mg/ml."}
    return base | {"confidence": "sure"} | more


def judged(*findings: dict[str, object], **more: object) -> dict[str, object]:
    scores = [{"metric": m, "score": 2.5, "quote": UNIT, "reason": "r"} for m in METRICS]
    base: dict[str, object] = {"kind": "bench protocol", "findings": findings, "scores": scores, "summary": "s"}
    return base | {"most_serious": 1 if findings else 0} | more


async def review(
    text: str, answer: Any, tmp_path: Path, options: JudgeOptions | None = None, name: str = "document.md"
) -> tuple[Review, list[str], int]:
    """The review, the prompts as sent, and the tokens."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with ModelServer(answer=answer) as server:
        model = ModelSettings(provider="compatible", model="m", base_url=server.url)
        door = ModelClient(
            backend=ChatBackend(dict.fromkeys(ROLES, model), load_prices(None)),
            ledger=Ledger(tmp_path / "ledger.sqlite"),
            prompts=PromptBook(Resources()),
            cards=load_cards(Resources()),
            events=EventLog(tmp_path / "events.jsonl"),
        )
        reading = read_protocol(path)
        found = await judge_document(
            door, reading.protocol, reading.text, CheckContext(), options or JudgeOptions(kind="bench protocol")
        )
        await door.close(wait=True)
        usage = door.ledger.usage()
        sent = ["\n".join(m["content"] for m in call.body["messages"]) for call in server.calls]
        door.ledger.close()
    return found, sent, usage.input_tokens + usage.output_tokens


async def test_a_finding_counts_only_with_words_of_the_document(tmp_path: Path) -> None:
    answer = judged(finding(), finding("words that nobody wrote there", problem="Made up."))
    found, _, _ = await review(STOCKS, lambda _: answer, tmp_path)
    j = found.judgement
    assert j is not None
    assert [f.quote for f in j.findings] == [UNIT]
    assert (j.most_serious, j.invalidates, found.verdict) == ("A1", True, "fail")
    assert len(j.dropped) == 1
    assert "Made up" in j.dropped[0]
    own = [f for f in found.findings if f.gate == "REVIEWER"]
    assert [(f.severity, f.location) for f in own] == [("error", "step 1")]
    page = "\n".join(judgement_lines(j))
    assert page.index("Most serious") < page.index("Left out")


async def test_findings_are_ranked_by_consequence_not_by_place(tmp_path: Path) -> None:
    small = finding("Store at -20 °C", consequence="wording", problem="No vessel.")
    answer = judged(small, finding(consequence="changes the result", confidence="likely"), most_serious=1)
    found, _, _ = await review(STOCKS, lambda _: answer, tmp_path)
    assert found.judgement is not None
    assert [f.consequence for f in found.judgement.findings] == ["changes the result", "wording"]
    assert found.judgement.most_serious == "A1"
    assert not found.judgement.invalidates
    assert found.verdict == "revise"


async def test_a_second_look_drops_what_does_not_hold_or_cannot_be_quoted(tmp_path: Path) -> None:
    second = {
        "findings": [
            {"finding": "A1", "quote": UNIT, "reason": "r", "holds": True, "consequence": "changes the result"},
            {"finding": "A2", "quote": "Store at", "reason": "Usual.", "holds": False, "consequence": "wording"},
            {"finding": "A3", "quote": "nowhere at all", "reason": "r", "holds": True, "consequence": "wording"},
        ]
    }
    first = judged(
        finding(),
        finding("Store at -20 °C", consequence="wording", problem="p2"),
        finding("Add 1 ml of the 50 mg/ml", consequence="wording", problem="p3"),
    )

    def answer(seen: Seen) -> object:
        return second if "second reader" in str(seen.body["messages"]) else first

    found, sent, _ = await review(STOCKS, answer, tmp_path, JudgeOptions(kind="bench protocol", passes=2))
    assert len(sent) == 2
    assert found.judgement is not None
    assert [(f.quote, f.consequence) for f in found.judgement.findings] == [(UNIT, "changes the result")]
    assert [d.rpartition("(")[2] for d in found.judgement.dropped] == [
        "second look: Usual.)",
        "the second look could not quote it)",
    ]


async def test_an_item_is_yes_only_with_words_and_a_missing_score_is_not_assessable(tmp_path: Path) -> None:
    items = [
        {"item": "MIQE-1", "answer": "yes", "quote": "invented words here"},
        {"item": "MIQE-2", "answer": "yes", "quote": "Store at -20 °C in the dark"},
        {"item": "MIQE-99", "answer": "yes", "quote": UNIT},
    ]
    answer = judged(items=items, scores=[{"metric": "correctness", "score": 2.3, "quote": UNIT, "reason": "r"}])
    options = JudgeOptions(kind="bench protocol", checklists=("miqe",))
    found, sent, _ = await review(STOCKS, lambda _: answer, tmp_path, options)
    assert found.judgement is not None
    answers = {i.item: i.answer for i in found.judgement.items}
    assert len(answers) == len(checklist_named("MIQE").items)
    assert (answers["MIQE-1"], answers["MIQE-2"], answers["MIQE-3"]) == ("not assessable", "yes", "not assessable")
    assert found.metrics == {}
    assert found.mean_score is None
    assert any("no level of the rubric" in x for x in found.judgement.not_assessable)
    assert "MIQE-1: Are groups" in sent[0]


async def test_a_disputed_check_is_shown_and_does_not_count(tmp_path: Path) -> None:
    text = "# Ovens\n\n1. Incubate the cells at 370 °C, as needed.\n2. Chill the cells.\n"
    found, sent, _ = await review(text, lambda _: judged(), tmp_path)
    error = next(f for f in found.findings if f.severity == "error")
    claim = next(line for line in sent[0].splitlines() if error.gate in line).split()[1]
    assert "G-VAG-01" not in sent[0], "how a protocol is written is no claim about its science"
    assert found.verdict == "revise", "the reviewer, who is not to repeat an error that a check found, left it"
    (tmp_path / "again").mkdir()
    answer = judged(disputed=[{"claim": claim, "why": "It is a kiln."}])
    found, _, _ = await review(text, lambda _: answer, tmp_path / "again")
    assert found.judgement is not None
    assert [d.check for d in found.judgement.disputed] == [error.gate]
    assert not any(f.gate == error.gate for f in found.findings)
    assert found.verdict == "pass"


async def test_a_dispute_takes_away_the_finding_at_its_place_only(tmp_path: Path) -> None:
    text = "# Ovens\n\n1. Incubate the cells at 370 °C.\n2. Chill the cells.\n3. Incubate the cells at 420 °C.\n"
    plain, sent, _ = await review(text, lambda _: judged(), tmp_path)
    checks = [f for f in plain.findings if f.gate != "REVIEWER"]
    assert [f.location for f in checks] == ["step 1", "step 3"]
    assert len({f.gate for f in checks}) == 1
    claim = next(x for x in sent[0].splitlines() if checks[0].gate in x and "at step 3:" in x).split()[1]
    (tmp_path / "again").mkdir()
    answer = judged(disputed=[{"claim": claim, "why": "It is a kiln."}])
    found, _, _ = await review(text, lambda _: answer, tmp_path / "again")
    assert found.judgement is not None
    assert [d.location for d in found.judgement.disputed] == ["step 3"]
    assert [f for f in found.findings if f.gate != "REVIEWER"] == checks[:1]


async def test_checks_of_the_form_of_own_protocols_are_no_claims(tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    own = protocol_from_text(STOCKS, "x.md")[0].model_copy(update={"origin": "offline"})
    path.write_text(own.model_dump_json(), encoding="utf-8")
    assert read_protocol(path).protocol.origin != "source"
    found, sent, _ = await review(path.read_text(), lambda _: judged(), tmp_path, name=path.name)
    assert {"G-STR-06", "G-STR-07"} <= {f.gate for f in found.findings}
    assert "G-STR-" not in sent[0]


async def test_page_and_sarif_follow_the_consequence(tmp_path: Path) -> None:
    given = (
        finding("Add 1 ml of the 50 mg/ml", consequence="wording", problem="No vessel is named.", mend="Name it."),
        finding("Store at -20 °C", consequence="changes the result", problem="It freezes.", why="Salt <b>."),
        finding(consequence="invalidates the result", confidence="possible"),
    )
    items = [{"item": "MIQE-1", "answer": "no"}, {"item": "MIQE-2", "answer": "yes", "quote": "Store at -20 °C"}]
    answer = judged(*given, most_serious=3, items=items, not_assessable=["No primers are given."])
    options = JudgeOptions(kind="bench protocol", checklists=("MIQE",))
    found, _, _ = await review(STOCKS, lambda _: answer, tmp_path, options)
    reading = read_protocol(tmp_path / "document.md")
    result = FileReview(str(tmp_path / "document.md"), review=found, places=places_in(reading.protocol))
    page = as_html([result])
    order = [page.index(x) for x in ("thousandfold", "It freezes", "No vessel", "No primers", "MIQE-1<", "MIQE-2<")]
    assert order == sorted(order)
    assert page.index("most serious<") < order[0]
    for words in (UNIT, "1 g in 40 ml is 25 mg/ml.", "Write mg/ml.", "Name it.", "Salt &lt;b&gt;."):
        assert page.count(words) >= 1
    rows = json.loads(as_sarif([result]))["runs"][0]["results"]
    own = [(r["level"], r["rank"]) for r in rows if r["ruleId"] == "REVIEWER"]
    assert own == [("note", 90.0), ("warning", 70.0), ("note", 10.0)]
    assert [r["rank"] for r in rows] == sorted((r["rank"] for r in rows), reverse=True)


async def test_the_reviewer_may_correct_a_recognised_kind_but_not_a_given_one(tmp_path: Path) -> None:
    answer = judged(kind="finished study", conclusion={"follows": "no", "why": "w"}, kind_reason="It has results.")
    found, sent, _ = await review(STOCKS, lambda _: answer, tmp_path, JudgeOptions())
    assert found.judgement is not None
    assert found.judgement.kind == "finished study"
    assert found.judgement.conclusion is not None
    assert found.judgement.conclusion.follows == "no"
    assert "bench protocol" in found.judgement.kind_reason
    assert len(sent) == 2
    assert "Does the conclusion follow" in sent[1]
    (tmp_path / "given").mkdir()
    found, sent, _ = await review(STOCKS, lambda _: answer, tmp_path / "given")
    assert found.judgement is not None
    assert found.judgement.kind == "bench protocol"
    assert len(sent) == 1


async def test_every_step_of_a_long_protocol_is_seen_in_full_once(tmp_path: Path) -> None:
    steps = [f"{n}. Add {n} µl of buffer {n}A to tube {n}B and incubate for {n} min at 37 °C." for n in range(1, 501)]
    answers = [judged(carry="tube 1B holds buffer 1A"), judged(carry="more")]
    found, sent, _ = await review("# Long\n\n" + "\n".join(steps), lambda _: answers[0], tmp_path)
    assert found.judgement is not None
    assert found.judgement.pieces == len(sent) > 1
    for step in steps:
        assert sum(step in prompt for prompt in sent) == 1
    assert "tube 1B holds buffer 1A" in sent[1]


async def test_a_protocol_of_forty_steps_takes_at_most_twelve_thousand_tokens(tmp_path: Path) -> None:
    step = "Add 200 µl of lysis buffer with inhibitors to each pellet, mix by pipetting and rotate for 30 min at 4 °C."
    text = "# Lysis\n\n" + "\n".join(f"{n}. {step} Tube {n}." for n in range(1, 41)) + f"\n41. Stock {UNIT}.\n"
    _, sent, tokens = await review(text, lambda _: judged(*[finding()] * 10), tmp_path)
    assert len(sent) == 1
    assert tokens <= 12_000


async def test_an_unusable_answer_leaves_the_checks_and_no_made_up_judgement(tmp_path: Path) -> None:
    found, _, _ = await review(STOCKS, lambda _: "no JSON at all", tmp_path)
    assert found.judgement is None
    assert found.origin == "offline"


@given(st.text(alphabet=st.sampled_from("ab .\n°µ1基"), max_size=600), st.integers(5, 60))
def test_pieces_joined_are_the_text(text: str, limit: int) -> None:
    assert "".join(cut(text, limit)) == text


def test_pieces_are_within_the_limit() -> None:
    text = "A sentence of eight words stands here again. " * 3000
    assert all(tokens_of(p) <= PIECE_TOKENS for p in cut(text, PIECE_TOKENS))


def test_stretches_show_the_lines_around_a_quote_only() -> None:
    lines = [f"line number {n} of the document" for n in range(50)]
    shown = stretches("\n".join(lines), ["line number 25 of"])
    assert "line number 25 of" in shown
    assert "line number 24 of" in shown
    assert "line number 40 of" not in shown


def test_checklists_have_unique_items_questions_and_sources() -> None:
    names = "SPIRIT, CONSORT, ARRIVE 2.0, STROBE, REMARK, TRIPOD+AI, PRISMA, MIQE, MDAR"
    assert set(checklists()) == set(names.split(", "))
    ids = [i.id for c in checklists().values() for i in c.items]
    assert len(ids) == len(set(ids))
    assert all(i.question.strip().endswith(("?", ")")) and i.source for c in checklists().values() for i in c.items)
    assert all("doi:" in c.source for c in checklists().values())
    assert all(r.questions for r in rubrics().values())
    with pytest.raises(InputError, match="no such checklist"):
        checklist_named("nonsense")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (STOCKS, "bench protocol"),
        ("# A study\n\n## Methods\nWe counted.\n\n## Results\nMany.\n\n## Discussion\nGood.", "finished study"),
        ("# Networks\n\nWords.\n\n## Results/Discussion\n\nMany reads, scripts and data sets.", "finished study"),
        (
            "Choice of light\n\n1. Load the flies into the tube and wait 10 minutes.\n2. Shift the elevator up.\n"
            "3. Let the flies choose for 30 seconds.\n4. Remove the tube.\n5. Count the flies in it.\n",
            "bench protocol",
        ),
        ("Statistical Analysis Plan\n\nThe primary endpoint will be compared.", "analysis plan"),
        ("Trial protocol\n\nParticipants will be randomised.", "trial protocol"),
        ("Shall I compare thee to a summer's day?\nThou art more lovely and more temperate", "other text"),
    ],
)
def test_kinds_are_recognised_with_a_reason(text: str, kind: str) -> None:
    found, reason = kind_of(text, protocol_from_text(text, "x.md")[0])
    assert found == kind
    assert reason


def test_a_checklist_applies_by_kind_and_words() -> None:
    assert [c.name for c in choose_checklists("trial protocol", "")] == ["SPIRIT"]
    both = choose_checklists("finished study", "A systematic review and meta-analysis; qPCR, and qPCR again.")
    assert [c.name for c in both] == ["PRISMA", "MIQE"]
    assert choose_checklists("bench protocol", "Melt agarose.") == ()

"""The tour of a session: five steps from an objective to its answer, each read before the next."""

from __future__ import annotations

from typing import Final

STEPS: Final = (
    "The objective. Type a question in a sentence (“Which genes differ between responders and others?”), @FILE for one "
    "in a file, or `example` for the packaged one: two public breast-tumour cohorts and eleven notes on methods. "
    "Conditions and requirements follow, a line each; Enter ends a list, `back` returns, `help` explains a question.",
    "Papers and data. Papers are files you have (PDF, JATS, exports of a library) or are searched for; `services off` "
    "asks no service. Data are tables: a matrix with a feature a row and a sample a column, and a sheet with a sample "
    "a row (group, time, event). What was understood is shown, what is not sure is asked, `describe` corrects it.",
    "Approvals. The run stops where a decision is yours: which papers and data are used, then the protocol, which is "
    "registered before any outcome is read. `yes` goes on, `help` lists what else can be said there (drop, show, edit, "
    "comment), `no` ends the run; nothing that is done gets lost.",
    "While it works. /status shows how far it is, /papers and /tasks what was read and computed, /ask QUESTION answers "
    "from the papers with quotes, /budget limits what models may cost. Ctrl-C stops at the next step; /resume goes on. "
    "`bioresearcher view` shows the same in a browser.",
    "The answer. /results shows what was found for each question, /results A1 one of them, /review the scores, /open "
    "report where the report is. /feedback TEXT changes the protocol: `no` to the change leaves the finished run as it "
    "was. /export gives a copy away; /new begins with another objective and keeps what you gave.",
)
"""A step a text."""
PROMPT: Final = "Enter: the next step; back; quit ends the tour>"

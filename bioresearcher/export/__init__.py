"""Exports of a run: crates, pages, manuscripts, registered plans, and protocols for other programs."""

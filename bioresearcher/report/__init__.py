"""The report of a run, built from its run folder only."""

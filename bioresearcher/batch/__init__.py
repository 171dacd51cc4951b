"""Many objectives: a file of them, a run folder and a process each, and what came of them all."""

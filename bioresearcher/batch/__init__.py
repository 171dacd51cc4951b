"""Batches: many objectives from a file, a run folder and a process each, and a summary of all."""

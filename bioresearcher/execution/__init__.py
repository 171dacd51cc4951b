"""Verified execution: one attempt at a task, judged on the outcome ladder."""

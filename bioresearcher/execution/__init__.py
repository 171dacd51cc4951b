"""Verified execution: attempts at a task, placed on the outcome ladder."""

"""Audit of data before a design: facts, proposals, and views without outcomes."""

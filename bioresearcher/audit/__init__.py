"""Audit of data before a design: facts about sample sheets and matrices that a protocol must take into account."""

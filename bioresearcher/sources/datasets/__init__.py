"""The user's own data sets: tables, sample sheets, other formats."""

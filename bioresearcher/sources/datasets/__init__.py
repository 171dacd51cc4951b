"""The researcher's own data sets: tables, sample sheets, other formats."""

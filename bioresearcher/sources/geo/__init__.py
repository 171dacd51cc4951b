"""GEO: search, series records, matrices and supplementary files."""

"""Sources of papers and data sets; each module knows one service or kind of file."""

"""Where papers and data come from; each module knows one source."""

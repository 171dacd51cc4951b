"""Review of protocols: deterministic checks, a rubric with five metrics, and readers of protocol files."""

"""Review of protocols: gates that know no model, the rubric, the five metrics, and reading of files."""

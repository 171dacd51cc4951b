"""Agreement of reviewers with people: ratings, coefficients, charts."""

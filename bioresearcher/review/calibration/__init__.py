"""Agreement of a machine's ratings with people's: reading of ratings, coefficients, charts."""

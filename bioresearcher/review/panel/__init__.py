"""Several reviewers as one: fusion, diversity, cascade, and what is learnt from rated items."""

"""Whether a model can do a role's work: the smallest real step of each role, with the project's own prompts."""

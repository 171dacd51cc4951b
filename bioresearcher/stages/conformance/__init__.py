"""Trial of a model in a role: the smallest real step of each role, with the project's own prompts."""

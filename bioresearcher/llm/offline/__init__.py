"""The offline backend and its rules, a file per agent."""

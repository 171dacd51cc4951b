"""The interactive session: one conversation over the same pipeline that `run` uses."""

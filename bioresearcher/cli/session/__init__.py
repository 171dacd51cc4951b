"""The interactive session: a conversation over the pipeline that `run` uses."""

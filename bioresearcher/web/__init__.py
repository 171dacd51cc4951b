"""The pages of a workspace in a browser: its runs, live and finished, and its batches; read-only, on this machine."""

"""Frozen values shared by all layers, a file per noun; `ask_*` hold what prompts take and give."""

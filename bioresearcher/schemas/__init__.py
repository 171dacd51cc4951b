"""Frozen value classes shared by all packages, a file per subject; `ask_*` hold inputs and answers of prompts."""

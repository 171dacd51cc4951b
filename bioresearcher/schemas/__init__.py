"""Frozen values shared by all layers, a file per noun."""

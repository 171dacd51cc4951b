"""Doors for programs: the Python interface, the notebook and the tools of an assistant, all onto the command line."""

"""Text: what of it is visible, which words it holds, and how it is written for a reader. Imports nothing above it."""

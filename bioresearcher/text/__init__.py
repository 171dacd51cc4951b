"""Text: visible characters, look-alikes, words and sentences, and formatting for a reader. Imports no other package."""

"""Readers of protocols from files of other people and tools."""

"""Asking models: one door (`ask`), a ledger behind it, and the backends."""

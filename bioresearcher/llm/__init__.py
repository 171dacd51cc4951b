"""Model calls: one entry point (`ask`), the ledger of answers behind it, and the backends."""

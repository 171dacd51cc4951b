"""Running generated code: limits, isolation, collecting of results. Nothing is imported here."""

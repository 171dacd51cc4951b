"""What the agents do: async functions on typed values. No LangGraph in here."""

"""The agents' work: async functions on typed values, without LangGraph."""

"""PubMed XML files, indexed and searched without a network."""

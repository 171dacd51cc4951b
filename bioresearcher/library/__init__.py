"""Papers as text: read, cut into passages, stored once, searched, quoted."""

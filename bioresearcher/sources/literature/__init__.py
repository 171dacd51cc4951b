"""Literature services, own papers and bibliographies."""

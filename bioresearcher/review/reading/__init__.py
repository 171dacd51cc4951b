"""Reading protocols that other people wrote."""

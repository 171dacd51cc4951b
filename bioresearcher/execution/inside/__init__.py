"""Scripts that read untrusted data; they run inside the sandbox, on the standard library alone (`looking`: pandas)."""

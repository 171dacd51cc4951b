"""The deterministic backend: rules that answer every prompt without a model."""

"""Run generated code isolated and within limits, and collect its results. Nothing is imported here."""

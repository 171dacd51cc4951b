"""The searchable library of papers: embeddings, Chroma, BM25."""

"""BioResearcher: from a biomedical objective to a grounded protocol and verified dry-lab results."""

__version__ = "0.1.0"
__all__ = ["__version__"]

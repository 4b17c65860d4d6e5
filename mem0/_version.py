"""The version and the distribution's name, each written down here and nowhere else."""

__version__ = "0.1.0"

# The name on the package index.  The import name is ``mem0``; the distribution never is ``mem0ai``.
DISTRIBUTION = "mem0-embedded"

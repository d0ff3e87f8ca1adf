"""The community's records and rules: homes, doors, identity, access and its log."""

__version__ = "0.1.0"

"""The order execution engine. It knows neither HTTP nor terminals."""

__version__ = "0.1.0"

"""The `celestial` command."""

"""Loads the plugin, and its options without their prefix."""

pytest_plugins = ["fluxgate.plugin", "fluxgate.plugin.short_names"]

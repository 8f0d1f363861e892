"""Loads the plugin."""

pytest_plugins = ["fluxgate.plugin.hooks"]

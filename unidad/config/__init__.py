"""Sections of settings, the run specification, and mistakes as one line."""

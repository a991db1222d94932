"""Metrics of personalisation: is it the subject, is it what the prompt says, is it varied."""

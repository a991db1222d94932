"""One self-contained HTML file of an experiment: its numbers, images, and how they were made."""

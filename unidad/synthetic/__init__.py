"""The embedded benchmark: rendered images, and the trainings of the networks that ship."""

"""Image sets: synthetic faces and scenes, prompts, folders, and how they lie on disk."""

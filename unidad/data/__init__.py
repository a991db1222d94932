"""Image sets: synthetic faces, a user's own folder, and how they lie on disk."""

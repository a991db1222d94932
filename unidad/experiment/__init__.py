"""The user's experiment: its YAML, its checks, its schema."""

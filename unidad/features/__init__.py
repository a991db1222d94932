"""What looks at images: published networks, and those that ship."""

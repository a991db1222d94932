"""Pure metrics on features, and the registry that names them."""

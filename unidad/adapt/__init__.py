"""`unidad adapt`: from a folder of photos to a model, through an ordinary configuration."""

"""The backbone, its weights, and how it gets into a config."""

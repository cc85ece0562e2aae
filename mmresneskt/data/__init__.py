"""Data that a config can name: generated parcels, folders, and the paper's ten classes."""

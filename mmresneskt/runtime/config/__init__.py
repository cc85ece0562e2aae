"""Configs: how they are found and read, and what is in them."""

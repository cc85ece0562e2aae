"""From what lies in a folder to a config that trains on it."""

"""Pictures of a run: its curves, and what its detector sees."""

"""ResNeSkt's speed and memory beside the backbones that one would take instead."""

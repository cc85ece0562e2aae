"""Everything that a GPU is needed for, in parts that fit into the minutes that there are."""

"""The paper's tables: what they print, how their rows are trained, and what is measured."""

"""What plants the bug of a rule as a run shows it, a module a rule."""

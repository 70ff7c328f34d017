"""What plants the bug of a rule as somebody might write it, a module a rule."""

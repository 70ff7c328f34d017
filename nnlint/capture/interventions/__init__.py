"""What a continuation changes: one module an intervention, each with one subclass of Intervention."""

"""The rules: one module a rule, bound to the page of the same name; found by place, listed nowhere."""

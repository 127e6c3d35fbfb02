"""The lookahead audit: nothing known at t may depend on what came after t."""

"""Foundation: types, errors, registries, config and hashing. Knows nothing of the floors above."""

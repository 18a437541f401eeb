"""Guards: what must not get through: personal data, secrets, addresses, instructions, leaks."""

"""Every change of state: one module a noun, one function a verb, one transaction a function."""

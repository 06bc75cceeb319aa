"""Run thousands of agents at once without trusting them."""

"""Tools: what an agent may ask for."""

"""Planners: what turns a task into steps."""

"""Limits of servers: in flight, per second, per minute; within a process and over all processes of a workspace."""

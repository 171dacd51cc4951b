"""Rate limits of servers and file locks, within a process and over all processes of a workspace."""

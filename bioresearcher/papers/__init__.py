"""Papers and other documents from outside: each file form has a reader, and all of them distrust the file."""

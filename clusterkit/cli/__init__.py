"""The command line: a prompt, one-shot commands, and a node in the foreground."""

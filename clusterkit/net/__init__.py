"""The trio shell: the only floor that awaits sockets and files."""

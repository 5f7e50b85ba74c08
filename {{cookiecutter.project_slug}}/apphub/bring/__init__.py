"""Adding apps that exist: what is in apps/ already, or a copy of a script, folder or repository."""

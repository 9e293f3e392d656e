"""The command line. A command parses, calls the client, renders; the daemon is never imported here."""

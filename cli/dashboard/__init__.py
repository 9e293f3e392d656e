"""The full-screen view. It shows what the daemon says and asks it to act; it decides nothing about orders itself."""

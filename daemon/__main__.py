"""`python -m daemon`."""

from daemon.main import main

if __name__ == "__main__":
    main()

"""The routes: each translates in, calls one engine method, translates out."""

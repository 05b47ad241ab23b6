"""The history's schema, one revision after another; `store` brings a database to the newest when it opens it."""

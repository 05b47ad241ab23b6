"""What Alembic runs to bring a database up: within the connection that `store` hands over."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()

"""How soon and how fast an artifact that generates writes, to be listed without its document."""

import sqlalchemy as sql
from alembic import op

revision = "2"
down_revision = "1"
branch_labels = None
depends_on = None

ADDED = ("first_token_ms", "tokens_per_second")


def upgrade() -> None:
    """Add both columns; entries that are there tell neither."""
    for name in ADDED:
        op.add_column("entries", sql.Column(name, sql.Float))

"""Entries to search by, and beside them their whole documents."""

import sqlalchemy as sql
from alembic import op

revision = "1"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "entries",
        sql.Column("id", sql.Integer, primary_key=True),
        sql.Column("created", sql.String(32), nullable=False),
        sql.Column("kind", sql.String(16), nullable=False),
        sql.Column("name", sql.String(255), nullable=False, index=True),
        sql.Column("profile", sql.String(64)),
        sql.Column("target", sql.String(255), index=True),
        sql.Column("runtime", sql.String(32)),
        sql.Column("clock", sql.String(16)),
        sql.Column("sha256", sql.String(64), index=True),
        sql.Column("commit", sql.String(64), index=True),
        sql.Column("p50_ms", sql.Float),
        sql.Column("peak_rss_bytes", sql.BigInteger),
        sql.Column("artifact_bytes", sql.BigInteger),
        sql.Column("score", sql.Float),
        sql.Column("stable", sql.Boolean),
        sqlite_autoincrement=True,  # a number once given stands for no other entry
    )
    # Apart, so that a list of a hundred thousand entries reads none of their samples.
    op.create_table(
        "documents",
        sql.Column("entry_id", sql.Integer, sql.ForeignKey("entries.id"), primary_key=True),
        sql.Column("content", sql.Text, nullable=False),
    )

"""The tables, as SQLModel declares them, a noun a module. Alembic migrates to exactly these.

Hot and state-changing statements do not use these classes: they are written out in queries.sql. A
function imports the modules that it uses and no other: a declaration costs its cold start.
"""

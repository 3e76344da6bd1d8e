"""Pool[T]: what has no pool of its own is pooled here, in psycopg_pool's words."""

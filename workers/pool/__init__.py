"""Pool[T]: what has no pool of its own is pooled here, in psycopg_pool's words."""

from workers.pool.events import PoolEvent
from workers.pool.maintenance import Maintenance
from workers.pool.pool import Pool
from workers.pool.stats import PoolStats

__all__ = ["Maintenance", "Pool", "PoolEvent", "PoolStats"]

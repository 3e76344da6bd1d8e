"""redis-py's own pool of connections, told as any other pool is.

Invariant: only what redis-py says of itself is told, and nothing is sent.
"""

from __future__ import annotations

from redis import ConnectionPool
from redis.observability.attributes import DB_CLIENT_CONNECTION_STATE, ConnectionState

from workers.pool import PoolStats


def stats_of_redis(pool: ConnectionPool, name: str = "Redis") -> PoolStats:
    """What there is of connections.

    redis-py says how many are idle, in use and allowed; idle and in use one after the other, so one that is handed
    over in between counts twice. It never closes one for its age, so all are `kept`. Of all else it says nothing, and
    0 means here that nobody knows: who waits, waited, or waited in vain, and what was lent, made and closed.

    Args:
        pool: Of a client.
        name: What the pool is called.
    """
    count = {told[DB_CLIENT_CONNECTION_STATE]: number for number, told in pool.get_connection_count()}
    idle, in_use = count[ConnectionState.IDLE.value], count[ConnectionState.USED.value]
    return PoolStats(
        name=name,
        size=idle + in_use,
        idle=idle,
        in_use=in_use,
        waiting=0,
        min_size=0,
        max_size=pool.max_connections,
        acquisitions=0,
        waited=0,
        timeouts=0,
        refused=0,
        made=0,
        failures=0,
        closed={},
        wait_p50=0.0,
        wait_p95=0.0,
        kept=idle + in_use,
    )

"""All that producers and replicas share, in Redis: every move is one Lua script, every key is built in `keys`."""

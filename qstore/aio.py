"""The door for asyncio services."""

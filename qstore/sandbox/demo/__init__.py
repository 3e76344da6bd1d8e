"""The demo: benchmark circuits, submitted by several processes at once, checked against the exact distributions."""

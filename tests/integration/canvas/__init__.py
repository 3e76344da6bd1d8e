"""Canvases on a real worker; a package, so that one worker lives as long as its tests and no longer."""

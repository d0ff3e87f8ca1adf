"""The pages in a real browser against the real service; a package, so that its browser is closed with its last test."""

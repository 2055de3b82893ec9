"""The browser studio's door: serves the built pages and their session."""

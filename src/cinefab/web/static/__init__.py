"""The built assets of the browser studio, as `ui/` makes them."""

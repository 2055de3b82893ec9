"""The command line: reads arguments, shows progress, prints results, sets the exit code."""

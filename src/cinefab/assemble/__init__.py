"""Takes come in; a cut goes out, joined by packets wherever pixels allow."""

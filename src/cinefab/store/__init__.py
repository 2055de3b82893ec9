"""The database engine, its migrations, the rows that everything writes, and the blobs."""

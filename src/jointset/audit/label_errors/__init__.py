"""Label errors, one file per kind of label."""

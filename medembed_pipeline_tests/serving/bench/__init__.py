"""`make bench-serving`: the service against its parts, against a plain one, and under load."""

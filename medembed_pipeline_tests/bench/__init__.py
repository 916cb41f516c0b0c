"""`make bench`: the pipeline's work against what people would use instead, side by side."""

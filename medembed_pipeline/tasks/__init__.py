"""What a model must keep while it is tuned: tasks beyond specialties, for baseline, tuned model and word matching."""

REVISION = "2"

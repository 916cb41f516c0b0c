"""What a model must keep: tasks, and how well the baseline and the tuned model do them."""

REVISION = "1"

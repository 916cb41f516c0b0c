"""Pictures against prompts: which side of a pair a picture is nearer to, and what that is worth."""

REVISION = "2"

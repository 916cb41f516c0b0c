"""What every held-out note won and lost, and which specialties are taken for which."""

REVISION = "1"

"""Whether the tuned space is a healthy one: hubs, collapse, detail within specialties."""

REVISION = "3"

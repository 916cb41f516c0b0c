"""Pictures for the UI and the docs: plain tables in, PNG out, in colours that a colour-blind person can tell apart."""

"""Clinical notes in; a fine-tuned embedding model and honest proof of whether it helped out."""

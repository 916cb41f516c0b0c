"""The tuned model as a table of token vectors: a text's vector is their mean, without a transformer."""

REVISION = "1"

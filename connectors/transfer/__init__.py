"""Export and import of what people set up, as NDJSON or YAML. Secrets never leave."""

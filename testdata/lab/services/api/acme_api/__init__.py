"""acme-api: a small web service for the lab to deploy."""

"""`make bench`: what the project promises about speed, measured side by side with others on one machine and server."""

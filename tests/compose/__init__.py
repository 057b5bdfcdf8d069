"""docker-compose.yml, tried for real where a Docker engine is (`make compose-smoke`)."""

"""What a worker replica runs: `celery -A workers worker`."""

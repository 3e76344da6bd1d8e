# A worker replica, and Flower: everything `celery -A workers …` needs, run by an ordinary user.
FROM python:3.11-slim AS build

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/qstore
WORKDIR /build

# Dependencies first: this layer changes only when they do.
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN mkdir qstore workers && /opt/qstore/bin/pip install --constraint constraints.txt '.[pgvector,pinecone]'

COPY qstore qstore
COPY workers workers
RUN /opt/qstore/bin/pip install --no-deps --force-reinstall .


FROM python:3.11-slim

ENV PATH=/opt/qstore/bin:$PATH PYTHONUNBUFFERED=1
RUN useradd --uid 10001 --create-home qstore \
    && install --directory --owner=qstore --group=qstore /var/lib/flower
COPY --from=build /opt/qstore /opt/qstore

USER 10001:10001
WORKDIR /home/qstore
CMD ["celery", "-A", "workers", "worker", "--loglevel", "INFO"]

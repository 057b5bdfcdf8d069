# One image runs every part: the command chooses which. Real Kafka and ClickHouse come from their own images.
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DIALFEED_LOG=json DIALFEED_DATA=/var/lib/dialfeed

WORKDIR /opt/dialfeed
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock

COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY streams streams
COPY sinks sinks
COPY ingest_api ingest_api
COPY dialfeed dialfeed
RUN pip install --no-cache-dir --no-deps . \
    && useradd --system --create-home dialfeed \
    && install -d -o dialfeed /var/lib/dialfeed

USER dialfeed
ENTRYPOINT ["dialfeed"]
CMD ["--help"]

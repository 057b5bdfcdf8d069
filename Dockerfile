# One image runs every part: the command chooses which. Kafka and ClickHouse are servers of their own.
# Everything is installed from the lock files, hashes checked; the final stage has no installer, compiler or source tree.

FROM python:3.12-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore UV_NO_CACHE=1
WORKDIR /build
COPY requirements-tools.lock requirements.lock ./
RUN pip install --require-hashes -r requirements-tools.lock \
    && python -m venv --without-pip /opt/dialfeed \
    && uv pip install --python /opt/dialfeed/bin/python --no-deps --require-hashes -r requirements.lock
COPY . .
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && uv pip install --python /opt/dialfeed/bin/python --no-deps /wheels/*.whl \
    && find /opt/dialfeed/lib -type d -name tests -prune -exec rm -r {} + \
    && /opt/dialfeed/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash \
        -x '/phonenumbers/(geodata|carrierdata|shortdata)/|/pygments/|/pip/' /opt/dialfeed/lib

FROM python:3.12-slim
RUN groupadd --gid 10001 dialfeed \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/dialfeed --shell /usr/sbin/nologin dialfeed \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/dialfeed
COPY --from=build /opt/dialfeed /opt/dialfeed
ENV PATH=/opt/dialfeed/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    HOME=/var/lib/dialfeed DIALFEED_DATA=/var/lib/dialfeed DIALFEED_LOG=json
USER 10001:10001
WORKDIR /var/lib/dialfeed
ENTRYPOINT ["dialfeed"]
CMD ["--help"]

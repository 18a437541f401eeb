# Stands in for docker.io/arizephoenix/phoenix:version-20.26.1-nonroot where no registry can be reached: the same command, ports and user.
FROM python:3.11-slim
ENV PATH=/phoenix/env/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp \
    PHOENIX_WORKING_DIR=/mnt/data PHOENIX_TELEMETRY_ENABLED=false
RUN python -m venv --without-pip /phoenix/env \
    && pip --python /phoenix/env/bin/python install --no-cache-dir --only-binary :all: arize-phoenix==20.26.1 \
    && install -d -o 65532 -g 65532 /mnt/data
WORKDIR /phoenix
USER 65532:65532
EXPOSE 6006 4317 9090
ENTRYPOINT ["python"]
CMD ["-m", "phoenix.server.main", "serve"]

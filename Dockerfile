# The service, and with another command the graph and its UI: see docs/serving.md.
FROM python:3.12-slim AS build
# Of pyproject.toml, with commas between: what Kubernetes takes is s3,ray,kubernetes.
ARG EXTRAS=""
RUN pip install --no-cache-dir uv==0.13.9
COPY constraints.txt pyproject.toml README.md LICENSE /source/
COPY medembed_pipeline /source/medembed_pipeline
# uv knows where PyTorch keeps the wheels without CUDA.
RUN uv venv /opt/medembed \
 && uv pip install --python /opt/medembed/bin/python --no-cache --torch-backend cpu \
    --constraint /source/constraints.txt "/source${EXTRAS:+[$EXTRAS]}"

FROM python:3.12-slim
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin medembed
COPY --from=build /opt/medembed /opt/medembed
ENV PATH=/opt/medembed/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HF_HUB_OFFLINE=1 \
    MEDEMBED_DATA_LAKE=/lake
USER 10001:10001
WORKDIR /home/medembed
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
# No entry point: Dagster's Helm chart gives a pod its whole command.
CMD ["medembed", "serve", "--host", "0.0.0.0"]

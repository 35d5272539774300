"""A real Prometheus for the end-to-end tests: it scrapes the cluster's exporters, over a history that
was put into its blocks before its start."""

import http.client
import http.server
import json
import pathlib
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import cluster

METRICS = ("DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_DEV_FB_USED", "DCGM_FI_PROF_GR_ENGINE_ACTIVE",
           "DCGM_FI_PROF_SM_ACTIVE", "DCGM_FI_PROF_DRAM_ACTIVE")
HOUR = 3600


def programs():
    """The folder of prometheus and promtool; Skip where there is none."""
    done = subprocess.run([str(cluster.ROOT / "tools/prometheus")], capture_output=True, text=True,
                          timeout=300, check=False)
    if done.returncode != 0:
        raise cluster.Skip(done.stderr.strip().splitlines()[-1])
    return pathlib.Path(done.stdout.strip())


def escaped(value):
    """A label's value in the text format."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def line_start(metric, labels):
    """A series of the text format, up to its value."""
    return metric + "{" + ",".join(f'{key}="{escaped(value)}"' for key, value in labels.items()
                                   if key != "__name__") + "} "


def as_honored(labels):
    """The labels that Prometheus stores of a series when the scrape has honor_labels."""
    kept = {key: value for key, value in labels.items() if not key.startswith("exported_")}
    for key in ("pod", "namespace", "container"):
        if "exported_" + key in labels:
            kept[key] = labels["exported_" + key]
    return kept


def history(source, begin, end, step, change=dict):
    """Series as another server (here: the fake operator) has them: metric -> [(labels, samples)].
    `change` makes of the labels those that are to be stored."""
    found = {metric: [] for metric in METRICS}
    query = urllib.parse.urlencode({"query": f'{{__name__=~"{"|".join(METRICS)}"}}', "start": begin,
                                    "end": end, "step": step})
    answer = json.loads(cluster.fetch(f"{source}/api/v1/query_range?{query}", 300))
    for one in answer["data"]["result"]:
        found[one["metric"]["__name__"]].append((change(one["metric"]), one["values"]))
    return found


def write_openmetrics(path, series):
    """The file that promtool makes blocks of."""
    with open(path, "w", encoding="utf-8") as out:
        for metric, rows in series.items():
            out.write(f"# TYPE {metric} gauge\n")
            for labels, samples in rows:
                start = line_start(metric, labels)
                out.writelines(f"{start}{value} {at}\n" for at, value in samples)
        out.write("# EOF\n")


class Authority:
    """A certificate authority of our own, and a certificate of it for this machine."""

    def __init__(self, folder):
        if shutil.which("openssl") is None:
            raise cluster.Skip("openssl is not here")
        self.ca, self.cert, self.key = (pathlib.Path(folder) / name
                                        for name in ("ca.crt", "tls.crt", "tls.key"))
        begin = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                 "-nodes", "-days", "2"]
        authority_key = pathlib.Path(folder) / "ca.key"
        for command in (
                [*begin, "-subj", "/CN=authority", "-keyout", authority_key, "-out", self.ca],
                [*begin, "-subj", "/CN=prometheus", "-addext", "subjectAltName=IP:127.0.0.1",
                 "-addext", "basicConstraints=critical,CA:FALSE",
                 "-CA", self.ca, "-CAkey", authority_key, "-keyout", self.key, "-out", self.cert]):
            subprocess.run(command, capture_output=True, check=True)

    def trusted(self):
        """What a client of ours needs."""
        return ssl.create_default_context(cafile=str(self.ca))


class Gate:
    """What stands before a Prometheus and asks for a bearer token, as OpenShift's and Thanos' do."""

    def __init__(self, server, authority, token, port=0):
        self.token = token
        self.answered = 0
        gate = self

        class Handler(http.server.BaseHTTPRequestHandler):
            """Hands a request with the token on; a connection has one."""

            def do_GET(self):  # pylint: disable=invalid-name
                """One question."""
                if self.headers.get("Authorization") != f"Bearer {gate.token}":
                    self.send_response(401)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                status, kind, body = server.ask(self.path)
                gate.answered += 1
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):  # pylint: disable=arguments-differ
                """Says nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.cert, authority.key)
        self.server.daemon_threads = True
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        """Ends it."""
        self.server.shutdown()
        self.server.server_close()


class Prometheus:
    """A server with a folder of its own; blocks first, then start(), and stop() at the end.
    `authority`: it speaks TLS only, with that one's certificate; `prefix`: the path it is below."""

    def __init__(self, authority=None, prefix=""):
        self.bin = programs()
        self.authority = authority
        self.dir = tempfile.TemporaryDirectory(prefix="slicewright-prometheus-")
        self.path = pathlib.Path(self.dir.name)
        self.process = None
        self.log = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.address = f"http{'s' if authority else ''}://127.0.0.1:{self.port}"
        self.url = self.address + prefix
        self.flags = [f"--web.route-prefix={prefix}"] if prefix else []
        if authority:
            (self.path / "web.yml").write_text(json.dumps({"tls_server_config": {
                "cert_file": str(authority.cert), "key_file": str(authority.key)}}))
            self.flags.append(f"--web.config.file={self.path}/web.yml")

    def fill(self, series):
        """Puts series into blocks; before start()."""
        text = self.path / "history.txt"
        write_openmetrics(text, series)
        subprocess.run([self.bin / "promtool", "tsdb", "create-blocks-from", "openmetrics", "-q",
                        text, self.path / "data"], capture_output=True, timeout=300, check=True)
        text.unlink()

    def configure(self, exporters=(), honor_labels=False):
        """What it scrapes, every second: pods of dcgm-exporter, with the labels that the Operator's
        ServiceMonitor gives them.  (Debian's Prometheus cannot ask Kubernetes for them itself.)"""
        config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [{
            "job_name": "nvidia-dcgm-exporter", "honor_labels": honor_labels, "static_configs": [
                {"targets": [pod["status"]["podIP"] + ":9400"], "labels": {
                    "namespace": pod["metadata"]["namespace"], "pod": pod["metadata"]["name"],
                    "container": pod["spec"]["containers"][0]["name"]}}
                for pod in exporters if pod["status"].get("podIP")]}]}
        # JSON is YAML.
        (self.path / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")

    def start(self, *flags):
        """Starts it and waits until it answers."""
        self.log = open(self.path / "log", "wb")
        self.process = subprocess.Popen(
            [self.bin / "prometheus", f"--config.file={self.path}/prometheus.yml",
             f"--storage.tsdb.path={self.path}/data", "--storage.tsdb.retention.time=400d",
             f"--web.listen-address=127.0.0.1:{self.port}", *self.flags, *flags],
            stdout=self.log, stderr=self.log)
        end = time.monotonic() + 60
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("prometheus: " + (self.path / "log").read_text()[-2000:])
            time.sleep(0.1)

    def is_ready(self):
        """Whether it answers."""
        try:
            return self.ask(self.url[len(self.address):] + "/-/ready")[0] == 200
        except (urllib.error.URLError, http.client.HTTPException, OSError):
            return False

    def ask(self, path):
        """Status, type and body of an answer."""
        trusted = self.authority.trusted() if self.authority else None
        try:
            with urllib.request.urlopen(self.address + path, timeout=30, context=trusted) as reply:
                return reply.status, reply.headers.get("Content-Type", ""), reply.read()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.headers.get("Content-Type", ""), refusal.read()

    def value(self, query):
        """The value of an instant query of one series; None when there is none."""
        answer = json.loads(cluster.fetch(
            f"{self.url}/api/v1/query?" + urllib.parse.urlencode({"query": query})))
        result = answer["data"]["result"]
        return float(result[0]["value"][1]) if result else None

    def halt(self):
        """Ends it; its data stay, and it can be started again."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.log.close()
        self.process = None

    def stop(self):
        """Ends it and removes its folder."""
        self.halt()
        self.dir.cleanup()

"""A live controller for the end-to-end tests: started, killed, asked."""

import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import cluster
from cluster import kubectl

SLICEWRIGHT = os.environ.get("SLICEWRIGHT", str(cluster.ROOT / "build/slicewright"))
POOL = "sharing.slicewright.io/pool"
ROLLOUT = "sharing.slicewright.io/rollout"
ORIGINAL = "sharing.slicewright.io/original"
PLUGIN_CONFIG = "nvidia.com/device-plugin.config"
MIG_CONFIG = "nvidia.com/mig.config"
PLUGIN_MAP, MIG_MAP = "slicewright-plugin", "slicewright-mig"

# Every wait of the fake operator is a twentieth of real life; so are the policy's.
FAST = ["--decide-every", "5s", "--propagation", "6s", "--metrics-every", "2s", "--lease", "20s"]


def policy(name="live", **spec):
    """A SharingPolicy that acts within seconds; `spec` overrides keys."""
    base = {
        "preset": "balanced",
        "history": {"minimum": "20s", "staleAfter": "1m"},
        "dwell": {"node": "10s", "owner": "10s"},
        "gain": {"minimum": "1%", "minimumUsdPerHour": 0.01},
        "disruption": {"maxNodesInChange": 8, "maxEvictionsPerHour": 2000,
                       "maxMovesPerPodPerDay": 100, "drainTimeout": "2m"},
        "maintenance": {"windows": [{"cron": "0 0,6,12,18 * * *", "duration": "6h"}]},
    }
    base.update(spec)
    return {"apiVersion": "sharing.slicewright.io/v1alpha1", "kind": "SharingPolicy",
            "metadata": {"name": name}, "spec": base}


def own_maps(all_named=False):
    """ConfigMaps of our own, named once in the ClusterPolicy: what an admin does before the start.
    all_named: dcgm-exporter names every pod of a shared GPU; else one, as it does by itself."""
    for name, data in ((PLUGIN_MAP, {"default": "version: v1\n"}),
                       (MIG_MAP, {"config.yaml": "version: v1\nmig-configs:\n  all-disabled:\n"
                                  "    - devices: all\n      mig-enabled: false\n"})):
        cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "data": data, "metadata": {
            "name": name, "namespace": cluster.OPERATOR_NAMESPACE,
            "labels": {"app.kubernetes.io/managed-by": "slicewright"}}})
    item = cluster.get("clusterpolicies")["items"][0]["metadata"]["name"]
    kubectl("patch", "clusterpolicy", item, "--type=merge", "-p", json.dumps({"spec": {
        "devicePlugin": {"config": {"name": PLUGIN_MAP, "default": "default"}},
        "migManager": {"config": {"name": MIG_MAP, "default": "all-disabled"}},
        "dcgmExporter": {"env": [{"name": "KUBERNETES_VIRTUAL_GPUS", "value": "true"}]
                         if all_named else []}}}))


class Controller:
    """One process of `slicewright controller`."""

    def __init__(self, *arguments, kubeconfig=None, record=None, level="info"):
        self.log = pathlib.Path(tempfile.mkstemp(prefix="slicewright-controller-")[1])
        self.arguments = [SLICEWRIGHT, "controller", *FAST, "--listen", "127.0.0.1:0", "--api",
                          "127.0.0.1:0", "--log-level", level, *arguments]
        if record is not None:
            self.arguments += ["--record", str(record)]
        self.env = {key: value for key, value in os.environ.items()
                    if not key.startswith("SLICEWRIGHT_")}
        if kubeconfig is not None:
            self.env["KUBECONFIG"] = kubeconfig
        self.process = None
        self.ports = []
        self.start()

    def start(self):
        """Starts it; returns when it serves."""
        begin = self.log.stat().st_size
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                self.arguments, env=self.env, stderr=log, stdout=log)
        end = time.monotonic() + 120
        while True:
            text = self.log.read_bytes()[begin:].decode()
            self.ports = [int(line.split("port=")[1].split()[0]) for line in text.splitlines()
                          if "msg=serving" in line]
            if len(self.ports) == 2:
                return
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"the controller does not serve: {text[-2000:]}")
            time.sleep(0.05)

    def get(self, path, port=1):
        """What it answers; JSON where it is JSON."""
        url = f"http://127.0.0.1:{self.ports[port]}{path}"
        with urllib.request.urlopen(url, timeout=60) as reply:
            text = reply.read().decode()
        return json.loads(text) if path.startswith("/api") else text

    def status(self):
        """Its status; None while it does not answer."""
        try:
            return self.get("/api/v1/status")
        except (urllib.error.URLError, OSError):
            return None

    def decisions(self, **filters):
        """What it decided, the newest last."""
        query = urllib.parse.urlencode({"last": 4096, **filters})
        return self.get(f"/api/v1/decisions?{query}")

    def metric(self, name):
        """The value of a metric without labels."""
        for line in self.get("/metrics", port=0).splitlines():
            if line.split(" ")[0] == name:
                return float(line.split(" ")[1])
        raise AssertionError(f"no metric {name}")

    def kill(self, number=signal.SIGKILL):
        """Ends it, by default without warning."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(timeout=120)

    def stop(self):
        """Ends it as kubelet would; its exit code."""
        self.kill(signal.SIGTERM)
        return self.process.returncode

    def tail(self, lines=40):
        """The end of its log, for a failure's text."""
        return "\n".join(self.log.read_text().splitlines()[-lines:])

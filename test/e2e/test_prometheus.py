#!/usr/bin/env python3
"""`slicewright plan` over a real Prometheus: with the history that the fake operator tells it comes to
the same plan as with the fake operator's own answers; and what a real server adds: limits, labels of
its own, readings that are too old, instances of MIG."""

import json
import os
import pathlib
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import cluster
import live
from cluster import equal, eventually, get, kubectl
from plans import account, plan, prometheus, saving
from prometheus import HOUR, Authority, Gate, Prometheus, as_honored, history

FOLDER = tempfile.TemporaryDirectory(prefix="slicewright-prometheus-")  # goes with the program
WORK = pathlib.Path(FOLDER.name)
SPAN = 14 * HOUR


def asks(server, hours=13, *more):
    """The options that ask a server."""
    return ("--prometheus", server.url, "--history", f"{hours}h", *more)


def exporters():
    """The pods of dcgm-exporter."""
    return get("pods", "-n", cluster.OPERATOR_NAMESPACE, "-l", "app=nvidia-dcgm-exporter")["items"]


def as_scraped(labels):
    """The labels that our own scrapes have: the exporter's pod and address beside them."""
    pods = {pod["spec"]["nodeName"]: pod for pod in _exporters}
    pod = pods[labels["hostname"]]
    return {**labels, "pod": pod["metadata"]["name"], "instance": pod["status"]["podIP"] + ":9400"}


_exporters = []
_series = {}


def series(step, change=dict, age=0):
    """The history that the fake operator tells, as it is told until `age` seconds ago."""
    account()
    _exporters[:] = exporters()
    key = (step, change, age)
    if key not in _series:
        end = int(time.time()) - age
        _series[key] = history(os.environ["SLICEWRIGHT_PROMETHEUS"], end - SPAN, end, step, change)
    return _series[key]


def filled(found, *flags, scrape=False, **how):
    """A server over these series."""
    server = Prometheus(**how)
    server.fill(found)
    server.configure(exporters() if scrape else ())
    server.start(*flags)
    return server


def substance(found):
    """What a plan comes to: not the readings themselves, nor when they were read."""
    rows = ("subject", "change", "reason", "from", "to", "certainty", "saving_usd_per_day", "patch")
    return {
        "now": {key: value for key, value in found["now"].items() if key != "gpus_used"},
        "savings": [[row[key] for key in rows] for row in found["savings"]],
        "left_alone": [(row["subject"], row["reason"]) for row in found["left_alone"]],
        "warnings": found["warnings"], "unseen": found["unseen"],
        "again": found["run_again"]["after"]["harm"]["memory_kills"],
    }


def status(url):
    """The HTTP status of an address."""
    try:
        with urllib.request.urlopen(url, timeout=30) as reply:
            return reply.status
    except urllib.error.HTTPError as refusal:
        return refusal.code


_wanted = None


def wanted():
    """The plan over the fake operator's own answers."""
    global _wanted  # pylint: disable=global-statement
    if _wanted is None:
        account()
        _wanted = plan(*prometheus())
        equal("something is to be saved", saving(_wanted, "StatefulSet plan/lab") is not None, True)
    return _wanted


def same_plan(what, found):
    """Fails unless a plan comes to what it should."""
    for key, value in substance(wanted()).items():
        equal(f"{key}, {what}", substance(found)[key], value)
    used, should = found["now"]["gpus_used"], wanted()["now"]["gpus_used"]
    equal(f"GPUs in use, {what}: {used} for {should}", abs(used - should) < 0.1 * should, True)


def test_the_plan_is_the_same_over_a_real_server():
    """A history in blocks, and the exporters scraped beside it."""
    server = filled(series(120, as_scraped), scrape=True)
    try:
        eventually("all exporters are scraped", lambda: server.value("sum(up)"),
                   float(len(exporters())))
        same_plan("over blocks and scrapes", plan(*asks(server)))
    finally:
        server.stop()


def test_labels_of_the_exporter_may_win():
    """With honor_labels the workload's pod is `pod`, and nothing is `exported_`."""
    server = filled(series(300, as_honored))
    try:
        equal("no exported_pod", server.value('count(DCGM_FI_DEV_FB_USED{exported_pod!=""})'), None)
        same_plan("with honor_labels", plan(*asks(server)))
    finally:
        server.stop()


def test_a_server_that_refuses_much_is_asked_for_less():
    """A limit of samples that 13 hours pass, and two hours do not."""
    server = filled(series(300))
    try:
        server.halt()
        server.start("--query.max-samples=20000")
        now = int(time.time())
        query = urllib.parse.urlencode({"query": "max_over_time(DCGM_FI_DEV_FB_USED[300s])",
                                        "start": now - 13 * HOUR, "end": now, "step": 300})
        equal("13 hours at once", status(f"{server.url}/api/v1/query_range?{query}"), 422)
        same_plan("in parts", plan(*asks(server)))
        server.halt()
        server.start("--query.max-samples=50")
        found = plan(*asks(server))
        unseen = [row["text"] for row in found["unseen"] if row["subject"] == "Prometheus"]
        equal("one line on it", len(unseen), 1)
        equal(f"its own words: {unseen}", "too many samples" in unseen[0], True)
        equal("nothing is proven", {row["certainty"] for row in found["savings"]} - {"unproven"},
              set())
    finally:
        server.stop()


def test_old_readings_prove_nothing():
    """The same history, but its end is three hours ago: nothing is asked of anybody for it."""
    server = filled(series(300, age=3 * HOUR))
    try:
        found = plan(*asks(server))
        equal("certain savings", [row["subject"] for row in found["savings"] if row["change"] != "idle"
                                  and row["certainty"] != "unproven"], [])
        equal("patches", [row["subject"] for row in found["savings"] if row.get("command")], [])
    finally:
        server.stop()


def test_what_is_no_prometheus_is_said():
    """An address without the API: one line with what came back, and a plan without readings."""
    server = filled({})
    try:
        found = plan("--prometheus", server.url + "/nothing")
        rows = [row for row in found["unseen"] if row["subject"] == "Prometheus"]
        equal(f"status: {rows}", ["404" in row["text"] for row in rows], [True])
        equal("readings", found["now"]["gpus_used"], None)
    finally:
        server.stop()


def authority(name):
    """An authority with a folder of its own."""
    (WORK / name).mkdir()
    return Authority(WORK / name)


def refusal(found):
    """What a plan says about a Prometheus that gave it nothing."""
    equal("readings", found["now"]["gpus_used"], None)
    rows = [row["text"] for row in found["unseen"] if row["subject"] == "Prometheus"]
    equal(f"one row: {rows}", len(rows), 1)
    return rows[0]


def test_tls_and_a_prefix():
    """A server with a certificate of a private authority, below a path as Mimir's API is."""
    ours, other = authority("ours"), authority("other")
    server = filled(series(300), authority=ours, prefix="/mimir/prometheus")
    try:
        same_plan("over TLS", plan(*asks(server), "--prometheus-ca", str(ours.ca)))
        for why, *options in ("the system's",), ("another", "--prometheus-ca", str(other.ca)):
            text = refusal(plan(*asks(server), *options))
            equal(f"{why}: {text}", "certificate" in text, True)
        text = refusal(plan("--prometheus", server.address, "--prometheus-ca", str(ours.ca)))
        equal(f"without the path: {text}", "404" in text, True)
    finally:
        server.stop()


def test_a_bearer_token_and_its_rotation():
    """A gate that asks for a token: `plan` has it from a file; a controller goes on when the token
    and the authority are replaced under it."""
    ours, later = authority("gate"), authority("later")
    server = filled(series(300), scrape=True)
    token, ca, policy = WORK / "token", WORK / "gate.crt", WORK / "policy.yaml"
    observe = [{"technique": name, "mode": "observe"} for name in ("time-slicing", "mig")]
    policy.write_text(json.dumps(live.policy(techniques=observe, consolidation={"mode": "observe"})))
    token.write_text("planted-first\n")
    ca.write_bytes(ours.ca.read_bytes())
    gate = Gate(server, ours, "planted-first")
    trust = ("--prometheus-ca", str(ca), "--prometheus-token-file", str(token))
    controller = None
    try:
        same_plan("with a token", plan(*asks(gate), *trust))
        text = refusal(plan(*asks(gate), *trust[:2]))
        equal(f"without: {text}", "401" in text, True)
        controller = live.Controller("--policy-file", str(policy), "--no-leader-election",
                                     "--prometheus", gate.url, "--history", "1h", *trust,
                                     level="debug")
        eventually("the controller has readings",
                   lambda: controller.metric("slicewright_readings_total") > 0)
        gate.token = "planted-second"
        refused = gate.answered
        time.sleep(5)  # rounds of two seconds
        equal("nobody is let in", gate.answered - refused <= 5, True)
        token.write_text("planted-second")
        eventually("the new token is taken", lambda: gate.answered > refused + 5)
        gate.stop()
        port = gate.server.server_port
        gate = Gate(server, later, "planted-second", port)
        time.sleep(3)
        equal("an authority that is not known", gate.answered, 0)
        ca.write_bytes(later.ca.read_bytes())
        eventually("the new authority is known", lambda: gate.answered > 5)
        log = controller.log.read_text()
        equal("no token is logged", "planted" in log, False)
    finally:
        if controller is not None:
            controller.stop()
        gate.stop()
        server.stop()


def samples_of(tape, node):
    """The readings of a node in a recording: (GPU, start, occupants) of each; start 255 is a whole
    GPU."""
    uid, found = None, []
    for line in pathlib.Path(tape).read_text(encoding="utf-8").splitlines():
        for fact in json.loads(line).get("facts", []):
            if isinstance(fact, dict):
                if fact["kind"] == "node" and fact["name"] == node:
                    uid = fact["uid"]
            elif fact[0] == "sample" and fact[4] == uid:
                found.append((fact[5], fact[6], fact[14:]))
    return found


def test_readings_of_instances_are_joined():
    """A node whose GPUs are split: each instance's reading comes to a place on its GPU."""
    node, resource = "a100-15", "nvidia.com/mig-1g.10gb"
    account()
    kubectl("cordon", node)
    kubectl("delete", "pods", "-A", "--field-selector", f"spec.nodeName={node}", "-l", "app")
    # mig-manager gives up at once where a GPU is still held.
    eventually("nobody holds its GPUs", lambda: any(cluster.state(node)["devices"].values()), False, 120)
    cluster.label(node, mig__config="all-1g.10gb")
    eventually("instances are offered", lambda: cluster.allocatable(node, resource), 56, 240)
    kubectl("uncordon", node)
    for i in range(3):
        cluster.apply(cluster.pod(f"instance-{i}", node, resource))
    for i in range(3):
        eventually("a pod has an instance", lambda i=i: bool(cluster.devices(f"instance-{i}")))
    server = Prometheus()
    server.configure(exporters())
    server.start()
    try:
        eventually("instances are scraped", lambda: server.value(
            'count(DCGM_FI_DEV_FB_USED{exported_pod=~"instance-.*",GPU_I_ID!=""})'), 3.0)
        time.sleep(20)  # a step of readings
        tape = str(WORK / "instances.jsonl")
        found = plan(*asks(server, 1, "--step", "15s"), "--record", tape)
        equal("all is joined", found["unseen"], [])
        newest = samples_of(tape, node)[-56:]
        equal("places", len({(gpu, start) for gpu, start, _ in newest if start < 8}), 56)
        equal("of whom", sum(len(occupants) for _, _, occupants in newest), 3)
        # The exporters say the same without a Prometheus between.
        found = plan("--metrics", "exporters", "--record", tape)
        equal("all of the exporters is joined", found["unseen"], [])
        now = samples_of(tape, node)
        equal("places now", len({(gpu, start) for gpu, start, _ in now if start < 8}), 56)
        equal("of whom now", sum(len(occupants) for _, _, occupants in now), 3)
    finally:
        server.stop()


if __name__ == "__main__":
    cluster.main([value for name, value in list(globals().items()) if name.startswith("test_")])

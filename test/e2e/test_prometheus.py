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
from cluster import equal, eventually, get, kubectl
from plans import account, plan, prometheus, saving
from prometheus import HOUR, Prometheus, as_honored, history

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


def filled(found, *flags, scrape=False):
    """A server over these series."""
    server = Prometheus()
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
    cluster.label(node, mig__config="all-1g.10gb")
    eventually("instances are offered", lambda: cluster.allocatable(node, resource), 56, 120)
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

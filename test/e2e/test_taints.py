#!/usr/bin/env python3
"""Our taints: a pool's nodes closed to others, new nodes closed until they are configured, and neither
where somebody who has to run there does not tolerate it. The deadlock that the check prevents is seen
first, with a taint set by hand: the device plugin's pod does not come back, and its GPUs do not."""

import json
import os
import re
import subprocess
import time
import zlib

import cluster
import live
import test_controller as t
from cluster import equal, eventually, get, kubectl
from test_deploy import refused

POOL_TAINT, STARTUP_TAINT = live.POOL, "sharing.slicewright.io/startup"
PLUGIN = "nvidia-device-plugin-daemonset"
SHARED = {"techniques": [{"technique": "time-slicing", "mode": "apply"},
                         {"technique": "mig", "mode": "observe"}],
          "consolidation": {"mode": "observe"}}
POLICY = {**SHARED, "taints": {"pools": True, "startup": True}}


def tolerate(*keys):
    """The tolerations of the ClusterPolicy: nvidia.com/gpu, as the chart has it, and these."""
    name = get("clusterpolicies")["items"][0]["metadata"]["name"]
    kubectl("patch", "clusterpolicy", name, "--type=merge", "-p", json.dumps({"spec": {
        "daemonsets": {"tolerations": [{"key": key, "operator": "Exists", "effect": "NoSchedule"}
                                       for key in ("nvidia.com/gpu", *keys)]}}}))
    eventually("the DaemonSets follow", lambda: all(
        {"nvidia.com/gpu", *keys} == {
            x.get("key") for x in d["spec"]["template"]["spec"]["tolerations"]}
        for d in get("daemonsets", "-n", cluster.OPERATOR_NAMESPACE)["items"]))


def taints(node):
    """Our taints of a node: key to value."""
    return {x["key"]: x.get("value", "") for x in get("node", node)["spec"].get("taints", [])
            if x["key"].startswith("sharing.slicewright.io/")}


def untainted():
    """The nodes of pools without their pool's taint."""
    return [n["metadata"]["name"] for n in get("nodes", "-l", live.POOL)["items"]
            if taints(n["metadata"]["name"]).get(POOL_TAINT) != n["metadata"]["labels"][live.POOL]]


def tolerations(deployment):
    """The keys that its template tolerates."""
    spec = get("deployment", "-n", "live", deployment)["spec"]["template"]["spec"]
    return [x["key"] for x in spec.get("tolerations", [])]


def plugin_pods(node):
    """The running pods of the device plugin on a node."""
    return [p["metadata"]["name"] for p in get(
        "pods", "-n", cluster.OPERATOR_NAMESPACE, "-l", f"app={PLUGIN}",
        "--field-selector", f"spec.nodeName={node},status.phase=Running")["items"]
            if "deletionTimestamp" not in p["metadata"]]


def restart_plugin(node):
    """Deletes the plugin's pod, as an update or mig-manager does; it may be amid an update of its own.
    The names of what went."""
    old = eventually("the plugin runs", lambda: plugin_pods(node))
    kubectl("delete", "pod", "-n", cluster.OPERATOR_NAMESPACE, "--wait=false", "--ignore-not-found", *old)
    return old


def refusal(controller, node):
    """The reason that is recorded for a taint that was not set; None when there is none."""
    return next((d for d in controller.decisions(node=node)
                 if d["change"] == "taint" and d["reason"] == "guard-taint"), None)


def test_deadlock_without_the_check():
    """A taint that the DaemonSets do not tolerate: the plugin stays until its next restart, and is
    gone with its GPUs after it."""
    node = "l4-7"
    equal("GPUs", cluster.allocatable(node, "nvidia.com/gpu"), 4)
    kubectl("taint", "node", node, f"{POOL_TAINT}=by-hand:NoSchedule")
    time.sleep(3)
    equal("it runs on", len(plugin_pods(node)), 1)
    restart_plugin(node)
    eventually("no GPUs", lambda: cluster.allocatable(node, "nvidia.com/gpu"), 0)
    time.sleep(15)
    equal("plugin pods", plugin_pods(node), [])
    equal("GPUs stay away", cluster.allocatable(node, "nvidia.com/gpu"), 0)
    kubectl("taint", "node", node, f"{POOL_TAINT}-")
    eventually("GPUs without the taint", lambda: cluster.allocatable(node, "nvidia.com/gpu"), 4)


def test_no_taint_where_it_is_not_tolerated():
    """The chart's tolerations: nodes are shared, no taint is set, and the reason is told. One by hand
    on a pool's node, as an older setup may have left it, is taken away."""
    t.set_up()
    cluster.apply(live.policy(**POLICY))
    controller = t.start()
    try:
        eventually("leads", lambda: (controller.status() or {}).get("leads"), seconds=60)
        end = time.monotonic() + 240 * cluster.PATIENCE
        while (runs := t.resources(t.running())) != {"nvidia.com/gpu.shared": 40} and \
                time.monotonic() < end:
            t.approve_and_own()
            time.sleep(2)
        equal("what runs", runs, {"nvidia.com/gpu.shared": 40})
        node = sorted(t.pooled())[0]
        told = eventually("a reason", lambda: refusal(controller, node))
        print(f"# {told['text']}")
        equal("who", "ClusterPolicy" in told["text"], True)
        equal("taints", {n: taints(n) for n in t.pooled() if taints(n)}, {})
        value = get("node", node)["metadata"]["labels"][live.POOL]
        kubectl("taint", "node", node, f"{POOL_TAINT}={value}:NoSchedule")
        eventually("it is taken away", lambda: taints(node), {})
        shown = controller.get(f"/api/v1/nodes?name={node}")["nodes"][0]
        equal("shown", "ClusterPolicy" in shown["pool_taint_refused_by"], True)
    except AssertionError:
        print("# " + controller.tail(60).replace("\n", "\n# "))
        raise
    finally:
        controller.stop()


def test_pools_are_tainted():
    """With the toleration in the ClusterPolicy: the owners' patches carry theirs, the pool's nodes are
    tainted once all do, NVIDIA's pods come back, others keep out; a foreign taint beside it stays."""
    tolerate(POOL_TAINT, STARTUP_TAINT)
    node = sorted(t.pooled())[0]
    kubectl("taint", "node", node, "example.com/maintenance=soon:PreferNoSchedule")
    controller = t.start()
    try:
        equal("tolerations of the owners", [tolerations(n) for n in ("thumbs", "notes")],
              [[POOL_TAINT], [POOL_TAINT]])
        value = get("node", node)["metadata"]["labels"][live.POOL]
        eventually("tainted", lambda: taints(node).get(POOL_TAINT), value, seconds=90)
        eventually("all of the pool", untainted, [], seconds=90)
        equal("others' taints", [x["key"] for x in get("node", node)["spec"]["taints"]
                                 if x["key"] == "example.com/maintenance"], ["example.com/maintenance"])
        shared = eventually("it offers", lambda: cluster.allocatable(node, "nvidia.com/gpu.shared"))
        old = restart_plugin(node)
        eventually("another plugin", lambda: set(plugin_pods(node)) - set(old))
        eventually("plugin back", lambda: cluster.allocatable(node, "nvidia.com/gpu.shared"), shared)
        cluster.apply(cluster.pod("stranger", node, "nvidia.com/gpu.shared"))
        eventually("a stranger waits", lambda: any(
            c["type"] == "PodScheduled" and "untolerated taint" in c.get("message", "")
            for c in get("pod", "stranger")["status"].get("conditions", [])))
        kubectl("delete", "pod", "stranger")
        # An owner that selects the pool and does not tolerate it: its pods would wait for ever.
        for keys in ([], [{"key": POOL_TAINT, "operator": "Exists"}]):
            kubectl("patch", "deployment", "notes", "-n", "live", "--type=merge", "-p", json.dumps({
                "spec": {"template": {"spec": {"tolerations": keys}}}}))
            eventually("the taint goes and comes", lambda: POOL_TAINT in taints(node), bool(keys),
                       seconds=90)
        told = next(d for d in controller.decisions(node=node)
                    if d["change"] == "taint" and "live/notes" in d["text"])
        print(f"# {told['text']}")
        t.settle(controller, seconds=240)
        equal("violations", controller.status()["violations"], 0)
        # The tolerations go: so do the taints, before NVIDIA's pods are restarted for good.
        tolerate()
        eventually("taken away", lambda: {n: taints(n) for n in t.pooled() if taints(n)}, {}, seconds=60)
        tolerate(POOL_TAINT, STARTUP_TAINT)
        eventually("tainted again", lambda: taints(node).get(POOL_TAINT), value, seconds=90)
    except AssertionError:
        print("# " + controller.tail(60).replace("\n", "\n# "))
        raise
    finally:
        controller.stop()


def join(name, like="l4-6", **more):
    """A node of the same make joins as its kubelet registers it, with taints that its group may have;
    all that is NVIDIA's comes later."""
    old = get("node", like)
    meta, status = old["metadata"], old["status"]
    labels = {k: v for k, v in meta["labels"].items() if not k.startswith("nvidia.com/")}
    labels["kubernetes.io/hostname"] = name
    hardware = re.sub("GPU-[0-9a-f]{8}", f"GPU-{zlib.crc32(name.encode()):08x}",
                      meta["annotations"]["fake.slicewright.io/hardware"])
    room = {k: v for k, v in status["capacity"].items() if not k.startswith("nvidia.com/")}
    cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": {
        "name": name, "labels": labels, "annotations": {"fake.slicewright.io/hardware": hardware}},
        "spec": {"providerID": f"kwok://{name}", **more},
        "status": {"capacity": room, "allocatable": room}})


def test_new_nodes_are_closed_until_configured():
    """A node that joins is tainted before pods use it, and opened when it is as it should be; one that
    brings the taint along is opened too; one whose GPUs never come keeps a reason."""
    controller = t.start()
    try:
        eventually("leads", lambda: (controller.status() or {}).get("leads"), seconds=60)
        time.sleep(5)
        join("fresh-1")
        join("fresh-2", taints=[{"key": STARTUP_TAINT, "effect": "NoSchedule"}])
        cluster.apply(cluster.pod("early", "fresh-2", "nvidia.com/gpu"))
        eventually("closed", lambda: STARTUP_TAINT in taints("fresh-1"), seconds=60)
        print(f"# fresh-1 {taints('fresh-1')}, fresh-2 {taints('fresh-2')}")
        eventually("GPUs on fresh-2", lambda: cluster.allocatable("fresh-2", "nvidia.com/gpu"), 4)
        phase = cluster.phase("early")  # before the taint: it may be opened at any moment now
        equal("the pod waits while it is closed",
              phase == "Pending" or STARTUP_TAINT not in taints("fresh-2"), True)
        for node in ("fresh-1", "fresh-2"):
            eventually(f"{node} is opened", lambda n=node: taints(n), {}, seconds=120)
            lifted = eventually("its reason", lambda n=node: next((
                d for d in controller.decisions(node=n) if d["change"] == "taint"
                and d["reason"] == "node-configured"), None), seconds=30)
            print(f"# {lifted['text']}")
        eventually("the pod runs", lambda: cluster.phase("early"), "Running")
        kubectl("delete", "pod", "early")
        equal("violations", controller.status()["violations"], 0)
    except AssertionError:
        print("# " + controller.tail(60).replace("\n", "\n# "))
        raise
    finally:
        controller.stop()


def test_reverted():
    """`slicewright revert` takes the taints away; our account may not touch those of others."""
    node = sorted(t.pooled())[0]
    account = cluster.tool("kubeconfig", "--service-account", "slicewright/slicewright")
    ours = {"key": POOL_TAINT, "value": "x", "effect": "NoSchedule"}

    def tried(change):
        """What the API server says to us, about the taints as they are: the node controller sets and
        lifts its own, and a list that was read before that would take one of them away."""
        for _ in range(50):
            at = get("node", node)
            others = [x for x in at["spec"]["taints"] if x["key"] not in (POOL_TAINT, STARTUP_TAINT)]
            told = refused(account, "PATCH", f"/api/v1/nodes/{node}", {
                "metadata": {"resourceVersion": at["metadata"]["resourceVersion"]},
                "spec": {"taints": change(others)}})
            if "object has been modified" not in (told or ""):
                return told
        raise AssertionError(f"{node} never stood still: {told}")

    for what, change, answer in (
            ("ours", lambda others: [*others, ours], None),
            ("another's away", lambda others: [
                *(x for x in others if not x["key"].startswith("example.com")), ours], "no other"),
            ("another", lambda others: [*others, {**ours, "key": "example.com/x"}], "no other"),
            ("ours that evicts", lambda others: [*others, {**ours, "effect": "NoExecute"}],
             "effect NoSchedule")):
        told = tried(change)
        equal(f"our account: {what}: {told}", told is None if answer is None else answer in (told or ""),
              True)
    kubectl("taint", "--overwrite", "node", node, f"{POOL_TAINT}=x:NoSchedule")
    env = {key: value for key, value in os.environ.items() if not key.startswith("SLICEWRIGHT_")}
    kubectl("patch", "sharingpolicy", "live", "--type=merge", "-p", '{"spec":{"suspend":true}}')
    done = subprocess.run([live.SLICEWRIGHT, "revert", "--all"], env=env, capture_output=True,
                          text=True, check=False, timeout=2400)
    equal("revert: " + done.stderr, done.returncode, 0)
    equal("taints", {n["metadata"]["name"]: taints(n["metadata"]["name"]) for n in get("nodes")["items"]
                     if taints(n["metadata"]["name"])}, {})
    eventually("others' stay", lambda: [x["key"] for x in get("node", node)["spec"].get("taints", [])],
               ["example.com/maintenance"])


if __name__ == "__main__":
    cluster.main([test_deadlock_without_the_check, test_no_taint_where_it_is_not_tolerated,
                  test_pools_are_tainted, test_new_nodes_are_closed_until_configured, test_reverted])

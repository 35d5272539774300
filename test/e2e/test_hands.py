#!/usr/bin/env python3
"""`slicewright controller` beside others who write the same things: Git, kept by server-side apply and by
replacing, an admin with cordon and uncordon, NVIDIA's DRA driver, another scheduler.  We step back with a
reason that people see, leave the node as it can be used, and do not fight: counted in the audit log."""

import json
import os
import pathlib
import subprocess
import threading
import time

import cluster
import live
import test_controller as t
import test_controller_others as others
from cluster import equal, eventually, get, kubectl

AUDIT = pathlib.Path(os.environ.get("SLICEWRIGHT_AUDIT", "/dev/null"))
USER = "system:serviceaccount:slicewright:slicewright"
A100 = "nvidia.com/gpu.product=NVIDIA-A100-SXM4-80GB"
MAP = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"default": "version: v1\n"}, "metadata": {
    "name": live.PLUGIN_MAP, "namespace": cluster.OPERATOR_NAMESPACE,
    "labels": {"app.kubernetes.io/managed-by": "slicewright"}}}


class Git:
    """A tool that makes objects again what Git says, second after second: Argo CD with self-heal."""

    def __init__(self, wanted, *how):
        self.wanted, self.how = json.dumps(wanted), how
        self.done = threading.Event()
        self.rounds = 0
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        """Until it is told to stop.  A conflict is tried again, as Argo CD does."""
        while not self.done.wait(1):
            try:
                kubectl(*self.how, "-f", "-", stdin=self.wanted)
                self.rounds += 1
            except RuntimeError:
                pass

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


def applying(wanted):
    """Git by server-side apply, by force."""
    return Git(wanted, "apply", "--server-side", "--force-conflicts", "--field-manager=argocd-controller")


def writes(resource, name, since):
    """How often our account wrote an object, or had it evicted, after a place in the audit log."""
    count = 0
    with open(AUDIT, encoding="utf-8") as log:
        log.seek(since)
        for line in log:
            event = json.loads(line)
            ref = event.get("objectRef") or {}
            count += event["user"]["username"] == USER and ref.get("resource") == resource and \
                ref.get("name") in (name, None) and event["verb"] in ("patch", "update", "create")
    return count


def quiet(names, resource, seconds):
    """We write nothing to these any more."""
    since = AUDIT.stat().st_size
    time.sleep(seconds)
    for name in names:
        equal(f"writes to {name} after we stepped back", writes(resource, name, since), 0)


def ended(controller, node):
    """The decision by which the change of a node ended badly; None while there is none."""
    return next((d for d in controller.decisions(node=node)
                 if d["verdict"] in ("undone", "abandoned")), None)


def stepped_back(controller, node, reason, seconds=150):
    """The change of a node ends with this reason: in a decision, an Event and what `explain` says."""
    decision = eventually(f"we step back from {node}", lambda: ended(controller, node), seconds=seconds)
    equal(f"why: {decision['text']}", decision["reason"], reason)
    eventually("an Event says so", lambda: any(
        e.get("involvedObject", {}).get("name") == node and reason in e.get("message", "")
        for e in get("events", "-A")["items"]))
    told = subprocess.run([live.SLICEWRIGHT, "explain", f"http://127.0.0.1:{controller.ports[1]}",
                           f"node/{node}"], capture_output=True, text=True, check=True).stdout
    equal("explained: " + told, reason in told, True)
    print(f"# {node}: {decision['text']}")


def usable(node, cordoned=False):
    """Open, or closed by them alone, with whole GPUs as before and no change under way."""
    eventually(f"{node} offers its GPUs", lambda: cluster.allocatable(node, "nvidia.com/gpu"), 8)
    eventually(f"{node} is closed", lambda: get("node", node)["spec"].get("unschedulable", False),
               cordoned)
    found = get("node", node)
    equal(f"pool of {node}", found["metadata"]["labels"].get(live.POOL), None)


def started(*arguments):
    """A controller that leads and has seen the cluster."""
    controller = t.start(*arguments)
    eventually("leads", lambda: (controller.status() or {}).get("leads"), seconds=60)
    eventually("nodes are seen", lambda: (controller.status() or {}).get("gpus_provisioned"),
               seconds=60)
    return controller


def changing(controller, *steps):
    """A node that is being shared and is at one of these steps."""
    return eventually(f"a node at {steps}", lambda: next((
        n["name"] for n in controller.get("/api/v1/nodes")["nodes"]
        if n.get("rollout", {}).get("change") == "share" and n["rollout"]["step"] in steps), None),
                      seconds=120)


def fail(controller):
    """What it logged, for a failure."""
    print("# " + controller.tail(50).replace("\n", "\n# "))


def test_git_names_another_config():
    """The ClusterPolicy is kept to name another ConfigMap: proposals only, said why; then it names ours."""
    t.set_up()
    policy = get("clusterpolicies")["items"][0]
    wanted = {"apiVersion": policy["apiVersion"], "kind": "ClusterPolicy",
              "metadata": {"name": policy["metadata"]["name"]},
              "spec": {"devicePlugin": {"config": {"name": "device-plugin-config", "default": "default"}}}}
    cluster.apply(live.policy(consolidation={"mode": "observe"}))
    others.owners_point()
    since = AUDIT.stat().st_size
    with applying(wanted) as git:
        eventually("Git has its way", lambda: get("clusterpolicies")["items"][0]["spec"]["devicePlugin"][
            "config"]["name"], "device-plugin-config")
        controller = started()
        try:
            eventually("held up", lambda: "device-plugin-config" in
                       (controller.status().get("held_up") or ""))
            time.sleep(25)
            equal("begun", [d["text"] for d in controller.decisions() if d["node"]
                            and d["verdict"] == "begun"], [])
            equal("nodes written", writes("nodes", None, since), 0)
            equal("keys written", writes("configmaps", live.PLUGIN_MAP, since), 0)
            equal("it came round", git.rounds > 3, True)
        except AssertionError:
            fail(controller)
            raise
        finally:
            controller.stop()
    live.own_maps()
    print(f"# {git.rounds} rounds of Git, none of ours")


def test_git_takes_our_keys():
    """Git replaces our ConfigMap: keys do not stay, no node is touched, and we stop publishing them."""
    since = AUDIT.stat().st_size
    with Git(MAP, "replace") as git:
        controller = started()
        try:
            node = eventually("a change is given up", lambda: next((
                d["node"] for d in controller.decisions() if d["verdict"] == "undone"), None), seconds=300)
            stepped_back(controller, node, "guard-foreign-owner")
            eventually("no other is under way", lambda: [
                n["name"] for n in controller.get("/api/v1/nodes")["nodes"] if "rollout" in n], [],
                       seconds=300)
            quiet([live.PLUGIN_MAP], "configmaps", 12)
            count = writes("configmaps", live.PLUGIN_MAP, since)
            print(f"# {git.rounds} rounds of Git, {count} writes of ours")
            equal("writes to the ConfigMap", 0 < count <= 24, True)
            equal("nodes written", writes("nodes", None, since), 0)
            equal("marks", t.marked(), [])
            usable(node)
            equal("violations", controller.status()["violations"], 0)
        except AssertionError:
            fail(controller)
            raise
        finally:
            controller.stop()


def slice_of(node):
    """What NVIDIA's DRA driver publishes where it runs."""
    return {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice",
            "metadata": {"name": f"{node}-gpu.nvidia.com"}, "spec": {
                "driver": "gpu.nvidia.com", "nodeName": node,
                "pool": {"name": node, "generation": 1, "resourceSliceCount": 1},
                "devices": [{"name": "gpu-0", "attributes": {"type": {"string": "gpu"}}}]}}


def given_back(node):
    """Open with what it offered before, and its record says why and when it is tried again."""
    usable(node)
    record = json.loads(get("node", node)["metadata"]["annotations"][live.ROLLOUT])
    equal(f"record of {node}: {record}", (record["state"], record["reason"], record["retry"] > record[
        "since"]), ("rest", "guard-foreign-owner", True))


def test_hands_in_the_middle():
    """Server-side apply of our ConfigMap does no harm.  One node has a DRA driver before we begin, one is
    closed by an admin before we close it.  Of those that we closed one is labelled by server-side apply,
    one gets a DRA driver, one is opened by an admin.  The rest goes on."""
    a100 = [n["metadata"]["name"] for n in get("nodes", "-l", A100)["items"]]
    for name in ("research", "batch"):  # so that many nodes may be shared
        kubectl("delete", "statefulsets,jobs,pods", "-n", name, "--all")
    kubectl("scale", "deployment", "-n", "live", "thumbs", "--replicas=80")
    cluster.apply(slice_of(a100[-1]))
    since = AUDIT.stat().st_size
    with applying(MAP) as git:
        controller = started("--propagation", "12s")  # so that an admin can be faster
        try:
            by_admin = changing(controller, "publish-plugin", "propagate")
            kubectl("cordon", by_admin)
            labelled, claimed, opened = eventually(
                "three nodes are closed", lambda: others.closed(controller)[:3]
                if len(others.closed(controller)) >= 3 else None, seconds=150)
            kubectl("uncordon", opened)
            cluster.apply(slice_of(claimed))
            with applying({"apiVersion": "v1", "kind": "Node", "metadata": {
                    "name": labelled, "labels": {live.PLUGIN_CONFIG: "default"}}}) as label:
                for node in (opened, claimed, labelled):
                    stepped_back(controller, node, "guard-foreign-owner")
                    given_back(node)
                quiet((opened, claimed, labelled), "nodes", 8)
                for node in (opened, claimed, labelled):
                    count = writes("nodes", node, since)
                    equal(f"writes to {node}: {count}", count <= 8, True)
                equal("it came round", label.rounds > 3 and git.rounds > 3, True)
            equal("the label of Git", get("node", labelled)["metadata"]["labels"][live.PLUGIN_CONFIG],
                  "default")
            stepped_back(controller, by_admin, "guard-owner-mark")
            usable(by_admin, cordoned=True)
            kubectl("uncordon", by_admin)
            usable(by_admin)
            alone = {n["name"]: n.get("left_alone") for n in controller.get("/api/v1/nodes")["nodes"]}
            equal("left alone", [alone[n] for n in (claimed, a100[-1])], ["NVIDIA's DRA driver"] * 2)
            for node in (by_admin, a100[-1]):
                equal(f"writes to {node}", writes("nodes", node, since), 0)
            equal("violations", controller.status()["violations"], 0)
        except AssertionError:
            fail(controller)
            raise
        finally:
            controller.stop()
            kubectl("delete", "resourceslices", "--all")
            kubectl("uncordon", *a100)


def test_another_scheduler():
    """Pods of another scheduler are its own: their owner is left alone, with the reason."""
    owner = json.loads(json.dumps(t.LATENCY_SENSITIVE).replace("chat", "queued"))
    del owner["spec"]["template"]["metadata"]["labels"]["sharing.slicewright.io/class"]
    owner["spec"]["template"]["spec"]["schedulerName"] = "volcano"
    cluster.apply(owner)
    out = subprocess.run([live.SLICEWRIGHT, "plan", "-o", "json", "-q"], env={
        k: v for k, v in os.environ.items() if not k.startswith("SLICEWRIGHT_")},
                         capture_output=True, text=True, check=True).stdout
    row = [r for r in json.loads(out)["left_alone"] if "live/queued" in r["subject"]]
    equal(f"left alone: {row}", len(row) == 1 and "volcano" in json.dumps(row), True)


if __name__ == "__main__":
    cluster.main([test_git_names_another_config, test_git_takes_our_keys, test_hands_in_the_middle,
                  test_another_scheduler])

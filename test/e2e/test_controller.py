#!/usr/bin/env python3
"""`slicewright controller` on a real control plane: from observing to sharing nodes with people's
consent, back for a latency-sensitive arrival, and undone."""

import json
import os
import pathlib
import shlex
import subprocess
import tempfile
import time

import cluster
import live
from cluster import equal, eventually, get, kubectl

WORK = pathlib.Path(tempfile.mkdtemp(prefix="slicewright-live-"))
RECOMMEND = [{"technique": "time-slicing", "mode": "recommend"},
             {"technique": "mig", "mode": "recommend"}]
OBSERVE = [{"technique": "time-slicing", "mode": "observe"}, {"technique": "mig", "mode": "observe"}]
LATENCY_SENSITIVE = {
    "apiVersion": "apps/v1", "kind": "Deployment",
    "metadata": {"name": "chat", "namespace": "live"},
    "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "chat"}}, "template": {
        "metadata": {"labels": {"app": "chat",
                                "sharing.slicewright.io/class": "latency-sensitive"}},
        "spec": {"nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"},
                 "containers": [{"name": "server", "image": "registry.example/chat:1",
                                 "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}}


def set_up():
    """Our ConfigMaps and kinds; work that leaves most of its GPUs idle."""
    kubectl("apply", "-f", str(cluster.ROOT / "deploy/crds/slicewright.yaml"))
    kubectl("wait", "--for=condition=Established", "--timeout=30s",
            "crd/sharingpolicies.sharing.slicewright.io", "crd/sharingplans.sharing.slicewright.io")
    live.own_maps(all_named=True)
    kubectl("apply", "-k", str(cluster.ROOT / "deploy/kustomize/apply"))
    # The test is the controller: the one that is deployed has no image here.
    kubectl("delete", "deployment", "-n", "slicewright", "--all")
    # These are latency-sensitive by what they do, and would hold every node of their model.
    kubectl("delete", "deployment", "-n", "serving", "--all")
    kubectl("apply", "-f", str(cluster.ROOT / "test/e2e/controller_workloads.yaml"))
    eventually("pods run", lambda: len(running()), 40)


def start(*arguments, **more):
    """A controller under exactly the role that is shipped."""
    token = cluster.tool("kubeconfig", "--service-account", "slicewright/slicewright")
    return live.Controller(*arguments, kubeconfig=token, **more)


def running(app=None):
    """The running pods of the namespace, or of one app."""
    pods = get("pods", "-n", "live", *(["-l", f"app={app}"] if app else []))["items"]
    return [p for p in pods if p["status"].get("phase") == "Running"
            and "deletionTimestamp" not in p["metadata"]]


def nodes_of(pods):
    """The nodes that they are on."""
    return {p["spec"]["nodeName"] for p in pods}


def resources(pods):
    """What they hold, by resource name."""
    found = {}
    for pod in pods:
        for container in pod["spec"]["containers"]:
            for name, count in container["resources"].get("limits", {}).items():
                if name.startswith("nvidia.com/"):
                    found[name] = found.get(name, 0) + int(count)
    return found


def marked():
    """The nodes with our pool label, our record, or originals to go back to."""
    return [n["metadata"]["name"] for n in get("nodes")["items"]
            if live.POOL in n["metadata"]["labels"]
            or {live.ROLLOUT, live.ORIGINAL} & set(n["metadata"].get("annotations", {}))]


def pooled():
    """The nodes that are in a pool of ours."""
    return {n["metadata"]["name"] for n in get("nodes", "-l", live.POOL)["items"]}


def plans():
    """The SharingPlans."""
    return get("sharingplans")["items"]


def approve_and_own():
    """What people do: agree to every plan that waits, and patch their own templates as told."""
    told = []
    for plan in plans():
        status = plan.get("status", {})
        digest = status.get("digest", "")
        if digest and plan["spec"].get("approve") != digest:
            kubectl("patch", "sharingplan", plan["metadata"]["name"], "--type=merge", "-p",
                    json.dumps({"spec": {"approve": digest}}))
        for step in status.get("steps", []):
            if step["state"] == "OwnerMustAct" and step.get("command"):
                kubectl(*shlex.split(step["command"])[1:])
                told.append(step["subject"]["name"])
    return told


def settle(controller, seconds=180):
    """Waits until no rollout runs and no pod of ours waits."""
    def quiet():
        state = controller.status()
        rolling = [n["name"] for n in controller.get("/api/v1/nodes")["nodes"] if "rollout" in n]
        return state is not None and rolling == [] and len(running("thumbs")) == 24 and \
            len(running("notes")) == 16
    eventually("nothing runs or waits", quiet, seconds=seconds)


def no_double_booking():
    """No GPU that a pod holds whole is with another pod, by what kubelet's part knows."""
    equal("booked twice", [(n["node"], n["doubleBooked"]) for n in cluster.states()
                           if n["doubleBooked"]], [])


def test_observing_changes_nothing():
    """With every technique on observe nothing is written and nothing proposed."""
    set_up()
    cluster.apply(live.policy(techniques=OBSERVE, consolidation={"mode": "observe"}))
    before = {n["metadata"]["name"]: n["metadata"]["labels"] for n in get("nodes")["items"]}
    controller = start()
    try:
        eventually("leads", lambda: (controller.status() or {}).get("leads"), seconds=60)
        time.sleep(35)
        equal("plans", plans(), [])
        equal("labels", {n["metadata"]["name"]: n["metadata"]["labels"]
                         for n in get("nodes")["items"]}, before)
        equal("GPUs", controller.status()["gpus_provisioned"], 272)
        eventually("read", lambda: controller.status()["gpus_read"] > 250)
        equal("refusals by reason", "slicewright_refusals_total{" in controller.get("/metrics", 0),
              True)
    finally:
        equal("exit code", controller.stop(), 0)


def test_recommended_approved_and_applied():
    """A plan waits; people agree and patch their owners; nodes are shared, pods run, GPUs fall."""
    cluster.apply(live.policy(techniques=RECOMMEND, consolidation={"mode": "observe"}))
    tape = WORK / "applied.jsonl"
    before = nodes_of(running())
    controller = start(record=tape)
    try:
        plan = eventually("a plan", lambda: next((p for p in plans() if p.get("status", {}).get(
            "digest")), None), seconds=90)
        equal("phase", plan["status"]["phase"], "Proposed")
        equal("marks before anybody agreed", marked(), [])
        requested = controller.status()["gpus_requested"]
        told = set()
        end = time.monotonic() + 240 * cluster.PATIENCE
        while time.monotonic() < end and resources(running()) != {"nvidia.com/gpu.shared": 40}:
            told.update(approve_and_own())
            time.sleep(2)
        equal("owners that were told", told, {"thumbs", "notes"})
        equal("what runs", resources(running()), {"nvidia.com/gpu.shared": 40})
        settle(controller)
        # A pod that is being ended holds its GPU, and counts, until it is gone.
        eventually("requested stays", lambda: controller.status()["gpus_requested"], requested,
                   seconds=90)
        after = nodes_of(running())
        equal(f"nodes in use fall: {len(before)} to {len(after)}", len(after) < len(before), True)
        equal("violations", controller.status()["violations"], 0)
        for name in marked():
            equal(f"original of {name}", live.ORIGINAL in get("node", name)["metadata"]["annotations"],
                  True)
        no_double_booking()
    except AssertionError:
        print("# " + controller.tail(60).replace("\n", "\n# "))
        raise
    finally:
        controller.stop()
    code = subprocess.run([live.SLICEWRIGHT, "replay", str(tape)], capture_output=True, text=True,
                          check=False)
    equal("replay: " + code.stdout + code.stderr, code.returncode, 0)


def test_every_decision_is_explained():
    """Over the API of a running controller, and from its recording; Events stand on the nodes."""
    tape = WORK / "applied.jsonl"
    shared = marked()
    out = subprocess.run([live.SLICEWRIGHT, "explain", str(tape), f"node/{shared[0]}"],
                         capture_output=True, text=True, check=False)
    equal("explained from the recording", "share done" in out.stdout, True)
    reasons = {e.get("reason") for e in get("events", "-A")["items"]
               if e.get("involvedObject", {}).get("name") == shared[0]}
    equal(f"Events {reasons}", {"SharingChangeBegun", "SharingChanged"} <= reasons, True)


def decided_at(tape, verdict="begun", **fields):
    """The steps of a recording in which such decisions were taken."""
    told = subprocess.run([live.SLICEWRIGHT, "explain", str(tape), "all", "-n", "100000", "-o", "json"],
                          capture_output=True, text=True, check=True).stdout
    return [d["step"] for d in json.loads(told) if d["verdict"] == verdict
            and all(d[key] == value for key, value in fields.items())]


def told_at(tape, name):
    """The step of a recording that first tells of a pod of this owner for which the scheduler found
    no place."""
    with open(tape, encoding="utf-8") as lines:
        for line in lines:
            step = json.loads(line)
            if any(isinstance(f, dict) and f.get("kind") == "pod" and f.get("unschedulable")
                   and f["name"].startswith(name + "-") for f in step.get("facts", [])):
                return step["step"]
    raise AssertionError(f"no pod of {name} in {tape}")


def test_latency_sensitive_arrival():
    """No whole GPU is free: a shared node goes back for a latency-sensitive pod, decided in one loop,
    and the pod never is on a shared device."""
    a100 = [n["metadata"]["name"] for n in get("nodes", "-l", "nvidia.com/gpu.product")["items"]
            if "A100" in n["metadata"]["labels"]["nvidia.com/gpu.product"]]
    cluster.apply(live.policy(consolidation={"mode": "observe"}))
    tape = WORK / "arrival.jsonl"
    controller = start(record=tape)
    try:
        # More pods than one node holds, so that there are two; then few enough for one of them.
        kubectl("scale", "deployment", "-n", "live", "thumbs", "--replicas=80")
        eventually("a second shared node", lambda: len(pooled()) >= 2, seconds=200)
        kubectl("scale", "deployment", "-n", "live", "thumbs", "--replicas=24")
        settle(controller)
        shared = pooled()
        equal(f"shared nodes are enough: {shared}", len(shared) >= 2, True)
        for name in a100:
            if name not in shared:
                kubectl("cordon", name)
        time.sleep(6)
        cluster.apply(LATENCY_SENSITIVE)
        arrived = time.time()
        decision = eventually("a return is decided", lambda: next((
            d for d in controller.decisions() if d["change"] == "unshare"
            and d["verdict"] == "begun"), None), seconds=60)
        print(f"# decided {time.time() - arrived:.1f} s after the arrival: {decision['text']}")
        equal("why", decision["reason"], "latency-sensitive-arrival")
        words = subprocess.run(
            [live.SLICEWRIGHT, "explain", f"http://127.0.0.1:{controller.ports[1]}",
             f"node/{decision['node']}"], capture_output=True, text=True, check=True).stdout
        equal("explained live: " + words, "latency-sensitive-arrival" in words, True)
        eventually("chat runs", lambda: len(running("chat")), 1, seconds=120)
        print(f"# running {time.time() - arrived:.1f} s after the arrival")
        chat = running("chat")
        equal("what it holds", resources(chat), {"nvidia.com/gpu": 1})
        held = json.loads(chat[0]["metadata"]["annotations"]["fake.slicewright.io/devices"])
        equal(f"its device {held} is whole", "::" in json.dumps(held), False)
        no_double_booking()
        controller.stop()
        # Or in the one that ends what was being done to the node when the pod came.
        begun = decided_at(tape, change="unshare", reason="latency-sensitive-arrival")[0]
        told = told_at(tape, "live/chat")
        ended = [at for verdict in ("done", "undone")
                 for at in decided_at(tape, verdict, node=decision["node"]) if told < at <= begun]
        equal("decided in the step that tells of it", begun, max([told, *ended]))
    except AssertionError:
        print("# " + controller.tail(50).replace("\n", "\n# "))
        raise
    finally:
        controller.stop()
        for name in a100:
            kubectl("uncordon", name)


def test_reverted():
    """Without any controller nodes come back to their originals."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("SLICEWRIGHT_")}
    refused = subprocess.run([live.SLICEWRIGHT, "revert", "--all"], env=env, capture_output=True,
                             text=True, check=False)
    equal("refused while a policy governs: " + refused.stderr, refused.returncode, 2)
    kubectl("patch", "sharingpolicy", "live", "--type=merge", "-p", '{"spec":{"suspend":true}}')
    shown = subprocess.run([live.SLICEWRIGHT, "revert", "--dry-run", "-o", "json"], env=env,
                           capture_output=True, text=True, check=True)
    equal("nodes shown", sorted(n["node"] for n in json.loads(shown.stdout)["nodes"]),
          sorted(marked()))
    done = subprocess.run([live.SLICEWRIGHT, "revert", "--all", "--timeout", "3m"], env=env,
                          capture_output=True, text=True, timeout=400, check=False)
    equal("reverted: " + done.stderr[-1500:], done.returncode, 0)
    equal("marks", marked(), [])
    for node in get("nodes", "-l", "nvidia.com/gpu.product=NVIDIA-A100-SXM4-80GB")["items"]:
        name = node["metadata"]["name"]
        equal(f"originals of {name}", live.ORIGINAL in node["metadata"].get("annotations", {}), False)
        equal(f"{name} is open", node["spec"].get("unschedulable", False), False)
        eventually(f"{name} offers its GPUs",
                   lambda n=name: cluster.allocatable(n, "nvidia.com/gpu"), 8)


TESTS = [test_observing_changes_nothing, test_recommended_approved_and_applied,
         test_every_decision_is_explained, test_latency_sensitive_arrival, test_reverted]

if __name__ == "__main__":
    cluster.main(TESTS)

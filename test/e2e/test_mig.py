#!/usr/bin/env python3
"""MIG through NVIDIA's mig-manager, live: recommended with the owners' patches, cut in a maintenance
window only, around budgets and running pods; whatever mig-manager does wrong; and undone."""
# fake-operator: --sm-metrics

import concurrent.futures
import datetime
import json
import os
import pathlib
import shlex
import subprocess
import time

import cluster
import live
from cluster import allocatable, equal, eventually, get, kubectl

A100, H100, A30 = "NVIDIA-A100-SXM4-80GB", "NVIDIA-H100-80GB-HBM3", "NVIDIA-A30"
STATE = "nvidia.com/mig.config.state"
FAULTS = "fake.slicewright.io/faults"
ACCOUNT = "system:serviceaccount:slicewright:slicewright"
QUIET = {"consolidation": {"mode": "observe"}, "disruption": {
    "maxNodesInChange": 8, "maxEvictionsPerHour": 2000, "maxMovesPerPodPerDay": 100,
    "drainTimeout": "20m"}}


def techniques(mig):
    """MIG in a mode, and nothing else that acts."""
    return [{"technique": "mig", "mode": mig}, {"technique": "time-slicing", "mode": "observe"}]


# Pods that may share an instance: two of them fit into the smallest.
MEMORY = {"quiet": "4Gi"}
SHARED = {"techniques": [{"technique": "mig", "mode": "apply"},
                         {"technique": "time-slicing", "mode": "apply"}],
          "timeSlicing": {"minReplicas": 2, "maxReplicas": 2, "maxReplicasPerInstance": 2}}


def window(is_open):
    """Maintenance windows: all day, or one that is twelve hours away."""
    if is_open:
        return {"windows": [{"cron": "0 0,6,12,18 * * *", "duration": "6h"}]}
    hour = (datetime.datetime.now(datetime.timezone.utc).hour + 12) % 24
    return {"windows": [{"cron": f"0 {hour} * * *", "duration": "1h"}]}


def deployment(name, replicas, product, kind, unavailable):
    """Pods that ask for a whole GPU each, as many on each node, and their budget."""
    labels = {"app": name}
    meta = {"name": name, "namespace": "mig"}
    return {"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta,
         "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": {
             "metadata": {"labels": {**labels, "budget": name,
                                     "sharing.slicewright.io/class": kind},
                          "annotations": {"sharing.slicewright.io/gpu-memory": MEMORY.get(name, "5Gi")}},
             "spec": {"nodeSelector": {"nvidia.com/gpu.product": product},
                      "topologySpreadConstraints": [{
                          "maxSkew": 1, "topologyKey": "kubernetes.io/hostname",
                          "whenUnsatisfiable": "ScheduleAnyway",
                          "nodeTaintsPolicy": "Honor", "labelSelector": {"matchLabels": labels}}],
                      "containers": [{
                          "name": "server", "image": "registry.example/server:1",
                          "resources": {"requests": {"cpu": "1", "memory": "2Gi"},
                                        "limits": {"nvidia.com/gpu": "1"}}}]}}}},
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta,
         "spec": {"maxUnavailable": unavailable,
                  "selector": {"matchLabels": {"budget": name}}}}]}


def canary(name):
    """A pod under another Deployment's budget that never starts: none of those may go meanwhile."""
    labels = {"app": name + "-canary"}
    return {"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name + "-canary", "namespace": "mig"},
            "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": {
                "metadata": {"labels": {**labels, "budget": name}},
                "spec": {"nodeSelector": {"kubernetes.io/hostname": "none"}, "containers": [{
                    "name": "server", "image": "registry.example/server:2"}]}}}}


def at_once(*parts):
    """Runs parts of a test side by side; they are about different nodes."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for done in [pool.submit(part) for part in parts]:
            done.result()


def plugins_restart(nodes):
    """The plugins of all nodes restart for their ConfigMap, one by one; these need not wait."""
    where = ("pods", "-n", cluster.OPERATOR_NAMESPACE, "-l", "app=nvidia-device-plugin-daemonset")
    for node in nodes:
        kubectl("delete", *where, "--field-selector", f"spec.nodeName={node}", "--wait=false")

    def configured():
        return {p["spec"]["nodeName"] for p in get(*where)["items"]
                if "deletionTimestamp" not in p["metadata"] and p["status"]["phase"] == "Running"
                and live.PLUGIN_MAP in [v["name"] for v in p["spec"].get("volumes", [])]}

    eventually("plugins run with their ConfigMap", lambda: set(nodes) - configured(), set(),
               seconds=120)
    for node in nodes:
        eventually(f"{node} offers its GPUs", lambda n=node: allocatable(n, "nvidia.com/gpu"), 8)


def set_up():
    """Four A100 nodes with pods on each; the others are closed by their admin."""
    kubectl("apply", "-f", str(cluster.ROOT / "deploy/crds/slicewright.yaml"))
    kubectl("wait", "--for=condition=Established", "--timeout=30s",
            "crd/sharingpolicies.sharing.slicewright.io", "crd/sharingplans.sharing.slicewright.io")
    live.own_maps()
    kubectl("apply", "-k", str(cluster.ROOT / "deploy/kustomize/apply"))
    # The test is the controller: the one that is deployed has no image here.
    kubectl("delete", "deployment", "-n", "slicewright", "--all")
    for kind, namespace in (("deployment", "serving"), ("statefulset", "research"),
                            ("pod", "research"), ("job", "batch")):
        kubectl("delete", kind, "-n", namespace, "--all")
    kubectl("cordon", *(f"a100-{i}" for i in range(4, 16)), *(f"h100-{i}" for i in range(12)),
            *(f"a30-{i}" for i in range(4)))
    kubectl("create", "namespace", "mig")
    plugins_restart([f"a100-{i}" for i in range(4)])
    cluster.apply(deployment("notes", 10, A100, "batch", 1))
    eventually("notes run", lambda: len(running("notes")), 10)
    cluster.apply(deployment("infer", 9, A100, "latency-sensitive", "50%"))
    cluster.apply(deployment("embed", 2, A100, "latency-sensitive", 1))
    eventually("pods run", lambda: [len(running(n)) for n in ("infer", "embed", "notes")],
               [9, 2, 10])
    equal("A100 nodes with pods that may be moved", nodes_of("notes"),
          {f"a100-{i}" for i in range(4)})


def running(app):
    """The running pods of a Deployment."""
    return [p for p in get("pods", "-n", "mig", "-l", f"app={app}")["items"]
            if p["status"].get("phase") == "Running" and "deletionTimestamp" not in p["metadata"]]


def nodes_of(*apps):
    """The nodes on which they run."""
    return {p["spec"]["nodeName"] for app in apps for p in running(app)}


def on_instances(app, resource):
    """How many of a Deployment's pods run on a MIG instance."""
    return len([p for p in running(app)
                if resource in p["spec"]["containers"][0]["resources"]["limits"]])


def start(*arguments, **more):
    """A controller under exactly the role that is shipped."""
    token = cluster.tool("kubeconfig", "--service-account", "slicewright/slicewright")
    return live.Controller("--parts-timeout", "60s", *arguments, kubeconfig=token, **more)


def steps():
    """All steps of all plans."""
    return [s for p in get("sharingplans")["items"] for s in p.get("status", {}).get("steps", [])]


def owner_step(app, state):
    """The step that points a Deployment, once it is in this state."""
    return next((s for s in steps() if s["subject"].get("name") == app and s["state"] == state), None)


def agreed(app):
    """Approves what waits, as it is now; the step of a Deployment whose owner must act."""
    for plan in get("sharingplans")["items"]:
        digest = plan.get("status", {}).get("digest")
        if digest and plan["spec"].get("approve") != digest:
            kubectl("patch", "sharingplan", plan["metadata"]["name"], "--type=merge", "-p",
                    json.dumps({"spec": {"approve": digest}}))
    return owner_step(app, "OwnerMustAct")


def marks():
    """What we have written: labels, annotations, cordons of nodes, and entries of mig-manager."""
    found = {}
    for node in get("nodes")["items"]:
        notes = node["metadata"].get("annotations", {})
        found[node["metadata"]["name"]] = (
            node["metadata"]["labels"].get(live.MIG_CONFIG), node["metadata"]["labels"].get(live.POOL),
            notes.get(live.ROLLOUT), node["spec"].get("unschedulable", False))
    return found, entries()


def entries():
    """The names of our mig-parted entries."""
    text = get("configmap", live.MIG_MAP, "-n", cluster.OPERATOR_NAMESPACE)["data"]["config.yaml"]
    return sorted(line.strip().strip('":') for line in text.splitlines()
                  if line.startswith("  ") and line.strip(' ":').startswith("mig-"))


def silicon(node):
    """The GPUs of a node as they are: per GPU the UUIDs of its instances, None with MIG off."""
    notes = get("node", node)["metadata"]["annotations"]
    return [[i["uuid"] for i in g.get("instances", [])] if g.get("mig") else None
            for g in json.loads(notes["fake.slicewright.io/hardware"])["gpus"]]


def audit():
    """What our account asked of the API server, in order: (verb, resource, name, code, when)."""
    found = []
    text = pathlib.Path(os.environ["SLICEWRIGHT_AUDIT"]).read_text()
    for line in text[:text.rfind("\n") + 1].splitlines():
        entry = json.loads(line)
        ref = entry.get("objectRef", {})
        if entry["user"]["username"] == ACCOUNT and entry["stage"] == "ResponseComplete":
            found.append((entry["verb"], f"{ref.get('resource')}/{ref.get('subresource', '')}",
                          ref.get("name"), entry.get("responseStatus", {}).get("code"),
                          datetime.datetime.fromisoformat(entry["requestReceivedTimestamp"])))
    return found


def no_double_booking():
    """No GPU or instance that a pod holds is with another pod."""
    equal("booked twice", [(n["node"], n["doubleBooked"]) for n in cluster.states()
                           if n["doubleBooked"]], [])


def point(app, pool, resource):
    """An owner does what a plan told it before."""
    kubectl("patch", "deployment", app, "-n", "mig", "--type=strategic", "-p", json.dumps({
        "spec": {"template": {
            "metadata": {"annotations": {"sharing.slicewright.io/original-gpus": "1"}},
            "spec": {"nodeSelector": {live.POOL: pool}, "containers": [{
                "name": "server", "resources": {
                    "limits": {"nvidia.com/gpu": None, resource: "1"},
                    "requests": {"nvidia.com/gpu": None, resource: "1"}}}]}}}}))


def explained(controller, test):
    """Runs a part of a test; a failure shows what the controller did."""
    try:
        test(controller)
    except AssertionError:
        print("# " + controller.tail(60).replace("\n", "\n# "))
        for d in controller.decisions()[-30:]:
            print("# " + d["text"])
        raise
    finally:
        controller.stop()


def refused_for_a_while(asked_before):
    """Evictions that a budget refuses are asked for again, later each time, and hurt nobody."""
    def refused():
        tries = {}
        for _, what, name, code, when in audit()[asked_before:]:
            if what == "pods/eviction" and code == 429 and name.startswith("notes-"):
                tries.setdefault(name, []).append(when)
        return next(((n, t) for n, t in tries.items() if len(t) >= 3), None)

    name, tries = eventually("evictions are refused with 429", refused, seconds=120)
    waits = [(b - a).total_seconds() for a, b in zip(tries, tries[1:])]
    equal(f"waits {waits} until {name} was asked for again, each twice as long",
          [w >= 2 << i for i, w in enumerate(waits)], [True] * len(waits))
    equal("all of notes run", len(running("notes")), 10)
    equal("it runs", name in [p["metadata"]["name"] for p in running("notes")], True)
    kubectl("scale", "deployment", "-n", "mig", "notes-canary", "--replicas=0")


def recommended(controller):
    """The plan says which resource the owner should ask for, and its patch."""
    cluster.apply(live.policy(techniques=techniques("recommend"), maintenance=window(True), **QUIET))
    before = marks()
    for app in ("infer", "embed"):
        eventually(f"{app} is proposed", lambda a=app: owner_step(a, "Proposed"), seconds=120)
    equal("what was written before anybody agreed", marks(), before)
    step = eventually("infer's owner must act", lambda: agreed("infer"))
    equal("its patch: " + step["command"], "nvidia.com/mig-1g.10gb" in step["command"], True)
    other = eventually("embed's owner must act", lambda: agreed("embed"))
    equal("its patch: " + other["command"], "nvidia.com/mig-2g.20gb" in other["command"], True)
    # Instances change in windows: outside of one pods wait, and nothing is begun.
    cluster.apply(live.policy(techniques=techniques("apply"), maintenance=window(False), **QUIET))
    time.sleep(3)
    kubectl(*shlex.split(step["command"])[1:])
    eventually("the window is told", lambda: [
        d for d in controller.decisions() if d["change"] == "mig-relayout"
        and d["reason"] == "guard-window"], seconds=60)
    time.sleep(15)
    equal("what was written outside of the window", marks(), before)
    equal("evictions", [a for a in audit() if a[1] == "pods/eviction"], [])


def cut_in_the_window(controller):
    """The window opens: a node is emptied within its pods' budgets and cut; the pods run there."""
    asked_before = len(audit())
    node = eventually("a node is closed", lambda: next((
        n["name"] for n in controller.get("/api/v1/nodes")["nodes"] if n["name"].startswith("a100")
        and n.get("rollout", {}).get("change") == "mig-relayout" and n["cordoned"]), None),
        seconds=120)
    refused_for_a_while(asked_before)
    least = 10
    end = time.monotonic() + 240 * cluster.PATIENCE
    while time.monotonic() < end and on_instances("infer", "nvidia.com/mig-1g.10gb") < 9:
        status = get("poddisruptionbudget", "notes", "-n", "mig")["status"]
        least = min(least, len(running("notes")))
        equal(f"notes' budget holds: {status}",
              status["currentHealthy"] >= status["desiredHealthy"] >= 9, True)
        time.sleep(0.5)
    equal("infer on instances", on_instances("infer", "nvidia.com/mig-1g.10gb"), 9)
    eventually("the change ends", lambda: live.ROLLOUT not in
               get("node", node)["metadata"]["annotations"])
    after = get("node", node)
    config = after["metadata"]["labels"][live.MIG_CONFIG]
    equal("its entry", config in entries(), True)
    equal("state", after["metadata"]["labels"][STATE], "success")
    equal("open", after["spec"].get("unschedulable", False), False)
    originals = json.loads(after["metadata"]["annotations"][live.ORIGINAL])
    equal("original", originals[live.MIG_CONFIG], "all-disabled")
    equal("instances by GPU", [len(g or []) for g in silicon(node)], [7, 7, 7, 0, 0, 0, 0, 0])
    equal("allocatable", (allocatable(node, "nvidia.com/mig-1g.10gb"),
                          allocatable(node, "nvidia.com/gpu")), (21, 5))
    eventually("nobody of notes waits", lambda: len(running("notes")), 10, seconds=60)
    ours = audit()
    equal("pods deleted", [a for a in ours if a[0] == "delete" and a[1].startswith("pods")], [])
    evicted = [a for a in ours if a[1] == "pods/eviction"]
    equal(f"answers to evictions {evicted}", {a[3] for a in evicted} <= {201, 429}, True)
    done = {a[2] for a in evicted if a[3] == 201}
    equal("evicted by the API in the end", {a[2] for a in evicted}, done)
    equal("evicted twice", sorted(a[2] for a in evicted if a[3] == 201), sorted(done))
    print(f"# {node}: {len(done)} evicted, {len(evicted) - len(done)} times answered 429 before, "
          f"at least {least} of 10 of notes ran", flush=True)
    no_double_booking()
    equal("violations", controller.status()["violations"], 0)


def recut(controller):
    """Other instances are wanted of the node while it is empty: only the GPU that differs is rebuilt."""
    cut = next(p["spec"]["nodeName"] for p in running("infer") if "nvidia.com/mig-1g.10gb"
               in p["spec"]["containers"][0]["resources"]["limits"])
    kubectl("scale", "deployment", "-n", "mig", "infer", "--replicas=0")
    eventually("its pods are gone", lambda: len(get("pods", "-n", "mig", "-l", "app=infer")["items"]), 0)
    before = silicon(cut)
    point("embed", "mig-a100-80gb", "nvidia.com/mig-2g.20gb")
    eventually("embed runs on instances", lambda: on_instances("embed", "nvidia.com/mig-2g.20gb"), 2,
               seconds=120)
    equal("where", nodes_of("embed"), {cut})
    after = silicon(cut)
    equal("GPUs 0 and 1 keep their instances", after[:2], before[:2])
    equal("GPU 2 has others", set(after[2]) & set(before[2]), set())
    kubectl("scale", "deployment", "-n", "mig", "infer", "--replicas=9")
    eventually("both run", lambda: (on_instances("infer", "nvidia.com/mig-1g.10gb"),
                                    on_instances("embed", "nvidia.com/mig-2g.20gb")), (9, 2))
    no_double_booking()
    equal("violations", controller.status()["violations"], 0)


def ended(controller, node):
    """How the change of a node ended: its decision, once the node is open with a record of why."""
    eventually(f"{node} turned back", lambda: [
        d for d in controller.decisions(node=node) if d["verdict"] in ("undone", "abandoned")],
        seconds=200)
    found = get("node", node)
    record = json.loads(found["metadata"]["annotations"][live.ROLLOUT])
    equal(f"{node} is open", found["spec"].get("unschedulable", False), False)
    equal(f"{node} is left alone for now: {record}", record["state"], "rest")
    equal(f"{node}: when it is tried again: {record}", record["retry"] > 0, True)
    equal(f"{node} was done", [d["text"] for d in controller.decisions(node=node)
                               if d["verdict"] == "done"], [])
    last = [d for d in controller.decisions(node=node) if d["verdict"] in ("undone", "abandoned")][-1]
    print(f"# {node}: {last['verdict']}, {last['reason']}: {last['text']}")
    return last, found["metadata"]["labels"], record


def open_node(node, fault=None):
    """Lets the controller have a node, with a fault of its mig-manager."""
    if fault is not None:
        kubectl("annotate", "--overwrite", "node", node, f"{FAULTS}=mig={fault}")
    kubectl("uncordon", node)


def fails_on_h100(controller):
    """mig-manager says that it failed; that it is done with nothing made; then it works."""
    open_node("h100-0", "fail")
    last, labels, _ = ended(controller, "h100-0")
    equal("why", (last["verdict"], last["reason"]), ("undone", "state-failed"))
    equal("what it was", labels[live.MIG_CONFIG], "all-disabled")
    eventually("its GPUs", lambda: allocatable("h100-0", "nvidia.com/gpu"), 8)
    open_node("h100-1", "empty")
    ended(controller, "h100-1")
    eventually("its GPUs", lambda: allocatable("h100-1", "nvidia.com/gpu"), 8)
    open_node("h100-2")
    eventually("chat runs on the node whose mig-manager works",
               lambda: on_instances("chat", "nvidia.com/mig-1g.10gb"), 2, seconds=120)
    equal("where", nodes_of("chat"), {"h100-2"})


def fails_on_a30(controller):
    """mig-manager is gone, its label says success, of what was there before; another is pending for
    ever."""
    equal("stale", get("node", "a30-0")["metadata"]["labels"][STATE], "success")
    kubectl("label", "--overwrite", "node", "a30-0", "nvidia.com/gpu.deploy.mig-manager=false")
    eventually("mig-manager of a30-0 is gone", lambda: get(
        "pods", "-n", cluster.OPERATOR_NAMESPACE, "-l", "app=nvidia-mig-manager", "--field-selector",
        "spec.nodeName=a30-0")["items"], [])
    open_node("a30-0")
    _, labels, _ = ended(controller, "a30-0")
    equal("success of another time is not believed", live.POOL in labels, False)
    eventually("its GPUs", lambda: allocatable("a30-0", "nvidia.com/gpu"), 4)
    open_node("a30-1", "stuck")
    last, labels, _ = ended(controller, "a30-1")
    equal("why", last["verdict"], "abandoned")
    equal("pending for ever", labels[STATE], "pending")


def in_the_window(controller):
    """The window opens: nodes that work are cut, and cut again; those that fail end as they were."""
    for app, product, resource, pool in (("chat", H100, "nvidia.com/mig-1g.10gb", "mig-h100-80gb"),
                                         ("edge", A30, "nvidia.com/mig-1g.6gb", "mig-a30-24gb")):
        cluster.apply(deployment(app, 0, product, "latency-sensitive", 2))
        point(app, pool, resource)
        kubectl("scale", "deployment", "-n", "mig", app, "--replicas=2")
    cluster.apply(canary("notes"))
    eventually("the budget allows none to go", lambda: get(
        "poddisruptionbudget", "notes", "-n", "mig")["status"].get("disruptionsAllowed"), 0)
    cluster.apply(live.policy(techniques=techniques("apply"), maintenance=window(True), **QUIET))

    def works():
        cut_in_the_window(controller)
        recut(controller)

    at_once(works, lambda: fails_on_h100(controller), lambda: fails_on_a30(controller))
    for name, node in ((n["metadata"]["name"], n) for n in get("nodes")["items"]):
        equal(f"{name} is closed by us without a record",
              node["spec"].get("unschedulable", False) and live.ORIGINAL in
              node["metadata"].get("annotations", {})
              and live.ROLLOUT not in node["metadata"]["annotations"], False)
    equal("violations", controller.status()["violations"], 0)
    no_double_booking()


def shared(controller):
    """Pods that use little of a GPU are two on an instance, which one plugin key for both says."""
    kubectl("uncordon", "a100-4", "a100-5")
    cluster.apply(deployment("quiet", 10, A100, "batch", "50%"))
    cluster.apply(live.policy(maintenance=window(True), **SHARED, **QUIET))
    step = eventually("quiet's owner must act", lambda: next((
        s for s in steps() if s["subject"].get("name") == "quiet" and s["state"] == "OwnerMustAct"
        and ".shared" in s["command"]), None), seconds=120)
    equal("its patch: " + step["command"], (
        "nvidia.com/mig-1g.10gb.shared" in step["command"], "mig-x2-a100-80gb" in step["command"]),
        (True, True))
    kubectl(*shlex.split(step["command"])[1:])
    eventually("quiet runs on shared instances",
               lambda: on_instances("quiet", "nvidia.com/mig-1g.10gb.shared"), 10, seconds=240)
    (node,) = nodes_of("quiet")
    eventually("the change ends", lambda: live.ROLLOUT not in
               get("node", node)["metadata"]["annotations"])
    made = sum(len(g or []) for g in silicon(node))
    equal(f"replicas of {made} instances", allocatable(node, "nvidia.com/mig-1g.10gb.shared"),
          2 * made)
    equal("instances by themselves", allocatable(node, "nvidia.com/mig-1g.10gb") or 0, 0)
    labels = get("node", node)["metadata"]["labels"]
    equal(f"its key {labels[live.PLUGIN_CONFIG]}", "-mig-x2-" in labels[live.PLUGIN_CONFIG], True)
    # More pods than instances: the plugin fills the emptiest first, so some have two.
    kubectl("scale", "deployment", "-n", "mig", "quiet", f"--replicas={made + 6}")
    eventually("more run", lambda: on_instances("quiet", "nvidia.com/mig-1g.10gb.shared"), made + 6)
    held = [json.loads(p["metadata"]["annotations"]["fake.slicewright.io/devices"])
            for p in running("quiet")]
    ids = [i.split("::")[0] for pod in held for c in pod.values() for ids in c.values() for i in ids]
    equal(f"the most pods on an instance, of {sorted(ids)}", max(ids.count(i) for i in ids), 2)
    print(f"# {node}: {made + 6} pods of quiet on {len(set(ids))} instances", flush=True)
    kubectl("scale", "deployment", "-n", "mig", "quiet", "--replicas=10")
    no_double_booking()
    equal("violations", controller.status()["violations"], 0)


def test_recommended_then_cut_in_a_window():
    """Proposed with the owners' patches; nothing outside of a window; then cut, and cut again, while
    mig-manager fails, makes nothing, is gone or is stuck on other nodes."""
    set_up()

    def parts(controller):
        recommended(controller)
        in_the_window(controller)

    explained(start("--metrics-every", "1s"), parts)


def test_reverted():
    """A node that was cut gets its recorded config and mode back; so do those that went wrong."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("SLICEWRIGHT_")}
    # What is stuck is NVIDIA's to mend, or an admin's; then everything can go back.
    for node in ("h100-0", "h100-1", "a30-1"):
        kubectl("annotate", "node", node, FAULTS + "-")
    kubectl("label", "--overwrite", "node", "a30-0", "nvidia.com/gpu.deploy.mig-manager=true")
    kubectl("delete", "pods", "-n", cluster.OPERATOR_NAMESPACE, "--field-selector",
            "spec.nodeName=a30-1", "-l", "app=nvidia-mig-manager")
    cluster.label("a30-1", **{f"gpu__deploy__{part}": "true" for part in (
        "device_plugin", "gpu_feature_discovery", "dcgm_exporter")})
    kubectl("patch", "sharingpolicy", "live", "--type=merge", "-p", '{"spec":{"suspend":true}}')
    # Owners point back first: pods that are evicted have nowhere else to go.
    for app in ("infer", "embed"):
        kubectl("patch", "deployment", app, "-n", "mig", "--type=strategic", "-p", json.dumps({
            "spec": {"template": {"spec": {"nodeSelector": {live.POOL: None}, "containers": [{
                "name": "server", "resources": {field: {
                    "nvidia.com/mig-1g.10gb": None, "nvidia.com/mig-2g.20gb": None,
                    "nvidia.com/gpu": "1"} for field in ("limits", "requests")}}]}}}}))
    def revert(*arguments):
        return subprocess.run([live.SLICEWRIGHT, "revert", *arguments], env=env, timeout=2400,
                              capture_output=True, text=True, check=False)

    # Nobody takes the label: its instances are there, and the success of another time.
    kubectl("label", "--overwrite", "node", "h100-2", "nvidia.com/gpu.deploy.mig-manager=false")
    eventually("mig-manager of h100-2 is gone", lambda: [
        p for p in get("pods", "-n", cluster.OPERATOR_NAMESPACE, "-l", "app=nvidia-mig-manager",
                       "--field-selector", "spec.nodeName=h100-2")["items"]], [])
    done = revert("h100-2", "--timeout", "30s")
    equal("nobody took the label: " + done.stderr, (
        done.returncode != 0, "mig-manager does not answer" in done.stderr), (True, True))
    equal("h100-2 is closed", get("node", "h100-2")["spec"].get("unschedulable", False), True)
    kubectl("label", "--overwrite", "node", "h100-2", "nvidia.com/gpu.deploy.mig-manager=true")
    done = revert("--all", "--timeout", "10m")
    equal("reverted: " + done.stderr[-1500:], done.returncode, 0)
    for node in get("nodes", "-l", "nvidia.com/gpu.product")["items"]:
        name, labels = node["metadata"]["name"], node["metadata"]["labels"]
        notes = node["metadata"].get("annotations", {})
        equal(f"marks on {name}", [m for m in (live.ROLLOUT, live.ORIGINAL) if m in notes]
              + [m for m in (live.POOL,) if m in labels], [])
        if live.MIG_CONFIG in labels:
            equal(f"config of {name}", labels[live.MIG_CONFIG], "all-disabled")
            equal(f"mode of {name} when it was opened", [g for g in silicon(name) if g is not None],
                  [])
            count = len(silicon(name))
            equal(f"GPUs of {name} when it was opened", allocatable(name, "nvidia.com/gpu"), count)
    for name in ("a100-0", "a100-1", "a100-2", "a100-3", "h100-0", "h100-2", "a30-0",
                 "a30-1"):
        equal(f"{name} is open", get("node", name)["spec"].get("unschedulable", False), False)
    no_double_booking()


def test_several_pods_on_an_instance():
    """Decided by the core, cut, used by more pods than there are instances, and undone."""
    set_up()
    explained(start("--metrics-every", "1s"), shared)
    (node,) = [n["metadata"]["name"] for n in get("nodes", "-l", live.POOL)["items"]]
    kubectl("patch", "sharingpolicy", "live", "--type=merge", "-p", '{"spec":{"suspend":true}}')
    kubectl("scale", "deployment", "-n", "mig", "quiet", "--replicas=0")
    env = {key: value for key, value in os.environ.items() if not key.startswith("SLICEWRIGHT_")}
    done = subprocess.run([live.SLICEWRIGHT, "revert", "--all", "--timeout", "3m"], env=env,
                          timeout=600, capture_output=True, text=True, check=False)
    equal("reverted: " + done.stderr[-1500:], done.returncode, 0)
    equal("its GPUs when it was opened", (allocatable(node, "nvidia.com/gpu"), silicon(node)),
          (8, [None] * 8))
    equal("its plugin key", live.PLUGIN_CONFIG in get("node", node)["metadata"]["labels"], False)


TESTS = [test_recommended_then_cut_in_a_window, test_reverted]
if os.environ.get("SLICEWRIGHT_E2E_MIG") == "shared":  # three minutes more
    TESTS = [test_several_pods_on_an_instance]

if __name__ == "__main__":
    cluster.main(TESTS)

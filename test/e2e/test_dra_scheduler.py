#!/usr/bin/env python3
"""The real kube-scheduler on dynamic MIG: every claim that it allocates gets the devices that
`slicewright dra allocate` foresaw for the node that it chose, and a pod that fits nowhere stays
pending.

SLICEWRIGHT_CASES claims (default 60), SLICEWRIGHT_SEED: one pod after the other, each held back by a
scheduling gate until it was foreseen; pods end on the way, so that devices come back."""

import collections
import json
import os
import random
import time

import cluster
from claims import (GPU, MIG, claim, create, device_class, dra, of_type, pod, publish, request)
from cluster import equal, eventually, get, kubectl

CASES = int(os.environ.get("SLICEWRIGHT_CASES", "60"))
SEED = int(os.environ.get("SLICEWRIGHT_SEED", "1"))
NODES = {"a100-0": ("A100-80GB", 4), "a100-1": ("A100-80GB", 2), "a100-2": ("A100-80GB", 1),
         "h100-0": ("H100-80GB", 4), "h100-1": ("H100-80GB", 2), "h100-2": ("H100-80GB", 2),
         "a30-0": ("A30-24GB", 4), "a30-1": ("A30-24GB", 2)}
SAME_GPU = {"matchAttribute": f"{GPU}/parentUUID", "requests": ["r"]}


def profile(*names):
    """The selector of MIG profiles."""
    return f"device.attributes['{GPU}'].profile in {json.dumps(list(names))}"


def memory(quantity):
    """The selector of devices with so much memory."""
    return f"device.capacity['{GPU}'].memory.compareTo(quantity('{quantity}')) >= 0"


def choice(name, class_name, *expressions):
    """One of firstAvailable."""
    flat = request(name, class_name, *expressions)
    return {"name": name, **flat["exactly"]}


# What claims ask for: requests, constraints, how often.
SHAPES = {
    "small": ([request("r", MIG, profile("1g.10gb", "1g.6gb"))], [], 6),
    "small-a30": ([request("r", MIG, profile("1g.6gb"))], [], 3),
    "medium": ([request("r", MIG, profile("2g.20gb", "2g.12gb"))], [], 5),
    "large": ([request("r", MIG, profile("3g.40gb"))], [], 4),
    "larger": ([request("r", MIG, profile("4g.40gb"))], [], 2),
    "all-of-it": ([request("r", MIG, profile("7g.80gb", "4g.24gb"))], [], 1),
    "whole": ([request("r", GPU)], [], 3),
    "two-whole": ([request("r", GPU, count=2)], [], 1),
    "two-on-one": ([request("r", MIG, profile("1g.10gb", "2g.20gb"), count=2)], [SAME_GPU], 3),
    "memory": ([request("r", MIG, memory("20Gi"))], [], 3),
    "preferred": ([{"name": "r", "firstAvailable": [
        choice("best", GPU, f"device.attributes['{GPU}'].productName.contains('H200')"),
        choice("good", MIG, profile("4g.40gb"), memory("30Gi")),
        choice("fair", MIG, profile("2g.20gb"))]}], [], 3),
    "unlike": ([request("r", MIG, profile("1g.10gb")), request("s", MIG, profile("2g.20gb"))], [], 3),
    "watched": ([request("r", GPU, adminAccess=True)], [], 1),
}


class World:
    """The pods that live, and what was seen."""

    def __init__(self):
        self.random = random.Random(SEED)
        self.pods = {}  # name -> claims of its own
        self.count = self.allocated = self.refused = 0
        self.shapes = collections.Counter()
        self.nodes = collections.Counter()

    def next_pod(self):
        """A pod with one or two claims, named ones and ones made of templates."""
        self.count += 1
        name = f"p{self.count}"
        entries, named, shapes = {}, [], []
        for entry in "ab"[:self.random.choice((1, 1, 1, 2))]:
            shape = self.random.choices(list(SHAPES), [w for _, _, w in SHAPES.values()])[0]
            shapes.append(shape)
            if self.random.random() < 0.5:
                entries[entry] = ("resourceClaimTemplateName", shape)
            else:
                entries[entry] = ("resourceClaimName", f"{name}-{entry}")
                named.append(claim("claims", f"{name}-{entry}", *SHAPES[shape][:2]))
        # The scheduler likes the emptiest node best: some pods name theirs.
        node = self.random.choice(sorted(NODES)) if self.random.random() < 0.4 else None
        held = pod("claims", name, entries, node)
        held["spec"]["schedulingGates"] = [{"name": "example.com/foreseen"}]
        return held, named, shapes

    def end(self, names):
        """Pods end; waits until their devices are free."""
        own = [one for name in names for one in self.pods.pop(name)]
        kubectl("delete", "pod", *names, "-n", "claims", "--wait=true")
        if own:
            kubectl("delete", "resourceclaim", *own, "-n", "claims", "--wait=true")
        eventually(f"claims of {names} are gone", lambda: [
            c["metadata"]["name"] for c in get("resourceclaims", "-n", "claims")["items"]
            if c["metadata"]["name"].split("-")[0] in names], [])

    def end_some(self):
        """A few of the pods end."""
        self.end(self.random.sample(sorted(self.pods), min(len(self.pods), 3)))


def foreseen(name):
    """By node the allocations of a pod's claims, in its order; nodes that cannot are left out."""
    _, out = dra("allocate", "--pod", f"claims/{name}", "--all-nodes")
    return {one["node"]: [c["allocation"] for c in one["claims"]]
            for one in json.loads(out) if one["outcome"] == "allocated"}


def verdict(name):
    """Where the scheduler put the pod, "" where it put it nowhere; None before it looked."""
    body = get("pod", name, "-n", "claims")
    if body["spec"].get("nodeName"):
        return body["spec"]["nodeName"]
    reasons = [c.get("reason") for c in body["status"].get("conditions", [])]
    return "" if "Unschedulable" in reasons else None


def given(name):
    """The allocations of a pod's claims, in its order, but for their time."""
    body = get("pod", name, "-n", "claims")
    made = {s["name"]: s["resourceClaimName"]
            for s in body["status"].get("resourceClaimStatuses", [])}
    names = [made.get(c["name"], c.get("resourceClaimName"))
             for c in body["spec"]["resourceClaims"]]
    claims = {c["metadata"]["name"]: c["status"]["allocation"]
              for c in get("resourceclaims", "-n", "claims")["items"] if c.get("status")}
    return [{key: value for key, value in claims[one].items() if key != "allocationTimestamp"}
            for one in names]


def step(world):
    """One pod: foreseen, let go, compared."""
    held, named, shapes = world.next_pod()
    name = held["metadata"]["name"]
    own = [c["metadata"]["name"] for c in named]
    create(*named, held)
    answer = foreseen(name)
    kubectl("patch", "pod", name, "-n", "claims", "--type=json", "-p",
            '[{"op": "remove", "path": "/spec/schedulingGates"}]')
    eventually(f"the scheduler looks at {name}", lambda: verdict(name) is not None)
    node = verdict(name)
    world.pods[name] = own
    if node == "":
        wanted = held["spec"].get("nodeSelector", {}).get("kubernetes.io/hostname")
        could = [one for one in answer if wanted in (None, one)]
        equal(f"nodes foreseen for {name}, {shapes}, which fits nowhere", could, [])
        world.refused += 1
        world.end([name])  # it would be placed once devices come back
        return
    equal(f"{name}, {shapes}, on {node}", given(name), answer.get(node))
    world.allocated += len(shapes)
    world.shapes.update(shapes)
    world.nodes[node] += len(shapes)


def test_each_claim_gets_the_devices_that_were_foreseen():
    """Claims of all shapes on nodes of three models, until enough were allocated."""
    create({"apiVersion": "v1", "kind": "Namespace", "metadata": {
        "name": "claims", "labels": {"resource.kubernetes.io/admin-access": "true"}}},
           device_class(MIG, of_type("mig")), device_class(GPU, of_type("gpu")),
           *(claim("claims", name, *shape[:2], template=True) for name, shape in SHAPES.items()))
    for node, (model, gpus) in NODES.items():
        publish(node, model, gpus)
    world = World()
    began = time.monotonic()
    while world.allocated < CASES:
        refused = world.refused
        step(world)
        if world.pods and (world.refused > refused or world.random.random() < 0.1):
            world.end_some()
    print(f"# seed {SEED}: {world.allocated} of {world.allocated} claims as foreseen, "
          f"{world.refused} pods refused as foreseen, {time.monotonic() - began:.0f} s; "
          f"by shape {dict(world.shapes)}; by node {dict(world.nodes)}", flush=True)
    equal("some pods were refused", world.refused > 0, True)
    equal("nodes used", len(world.nodes) > len(NODES) // 2, True)
    equal("shapes seen", len(world.shapes) > len(SHAPES) // 2, True)


if __name__ == "__main__":
    cluster.main([value for name, value in list(globals().items()) if name.startswith("test_")])

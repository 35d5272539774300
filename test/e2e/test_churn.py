#!/usr/bin/env python3
"""Random policies, demand, owners and freezes under load, with every assignment of a device watched: a GPU
that is held whole is never handed to another pod, and no GPU ever has more pods than the replica count
with which its node's device plugin runs at that moment.

SLICEWRIGHT_E2E_CHANGES (12) is how many policies, SLICEWRIGHT_E2E_SEED (1) which. After every LIFE of them
the controller is another one. What a pool bears falls at once and rises after twenty minutes only, so a
controller that knows nothing of the owners yet, or meets a policy of two replicas once, shares by two for
the rest of its life: those after the first know what was learned before them, and the policies of a life
have a least count."""

import collections
import json
import os
import random
import time

import assignments
import cluster
import live
import test_controller as t
from cluster import equal, eventually, get, kubectl

CHANGES = int(os.environ.get("SLICEWRIGHT_E2E_CHANGES", "12"))
SEED = int(os.environ.get("SLICEWRIGHT_E2E_SEED", "1"))
LIFE = 6 if CHANGES < 50 else 12
LOG = assignments.Log()
OPEN = [{"cron": "0 0,6,12,18 * * *", "duration": "6h"}]
HAND = """
version: v1
sharing:
  timeSlicing:
    renameByDefault: true
    resources: [{name: nvidia.com/gpu, replicas: 2}]
"""


def test_the_watch_sees_what_a_hand_breaks():
    """Somebody shares a node by hand while a pod holds its GPUs: seen, and so is one pod too many."""
    t.set_up()
    LOG.forgive()
    name = cluster.OPERATOR_NAMESPACE
    kubectl("patch", "configmap", "-n", name, live.PLUGIN_MAP, "--type=merge", "-p",
            json.dumps({"data": {"hand": HAND}}))
    node = next(n["node"] for n in cluster.states()
                if n["node"].startswith("h100-") and not any(n["devices"].values()))
    cluster.apply(cluster.pod("whole", node, "nvidia.com/gpu", 8))
    eventually("it runs", lambda: cluster.phase("whole"), "Running")
    cluster.label(node, device_plugin__config="hand")
    eventually("shared by hand", lambda: cluster.allocatable(node, "nvidia.com/gpu.shared"), 16)
    LOG.follow()
    equal(f"switched with a pod on it: {LOG.wrong}", len(LOG.wrong), 8)
    cluster.apply(cluster.pod("second", node, "nvidia.com/gpu.shared"))
    eventually("it runs", lambda: cluster.phase("second"), "Running")
    LOG.follow()
    equal(f"handed out again: {LOG.wrong[8:]}", "held whole" in LOG.wrong[-1], True)
    crowd = assignments.Log()
    for number in range(3):
        crowd.take("n", {"kind": "assigned", "id": f"GPU-a::{number}", "device": "GPU-a", "uid": number,
                         "pod": str(number), "time": "", "replicas": 2})
    equal("three pods on two replicas", len(crowd.wrong), 1)
    cluster.label(node, device_plugin__config=None)
    kubectl("delete", "pod", "whole", "second")
    eventually("whole again", lambda: cluster.allocatable(node, "nvidia.com/gpu"), 8)
    kubectl("patch", "configmap", "-n", name, live.PLUGIN_MAP, "--type=merge", "-p",
            '{"data":{"hand":null}}')
    LOG.forgive()


def random_policy(draw, least):
    """A policy of any kind that acts within seconds, with `least` replicas allowed."""
    techniques = [{"technique": "time-slicing",
                   "mode": draw.choice(("apply", "apply", "apply", "recommend", "observe"))},
                  {"technique": "mig", "mode": draw.choice(("apply", "recommend", "observe"))}]
    draw.shuffle(techniques)
    fewest = draw.choice((2, 2, 3, 4))
    return live.policy(
        techniques=techniques, suspend=draw.random() < 0.1,
        isolation=draw.choice(("none", "none", "none", "none", "instance", "exclusive")),
        timeSlicing={"minReplicas": fewest, "maxReplicas": max(
            fewest, draw.choice([count for count in (2, 4, 8, 16) if count >= least]))},
        latencySensitive={"treatment": draw.choice(("exclusive", "mig", "time-slicing"))},
        maintenance={"windows": draw.choice((OPEN, OPEN, [])),
                     "coverAllChanges": draw.random() < 0.2},
        consolidation={"mode": draw.choice(("observe", "recommend", "apply")),
                       "spareSlots": draw.choice(("0%", "25%", "100%"))})


def point(name, shared):
    """The owner asks for shared GPUs of the pool, or for whole ones anywhere."""
    limits = get("deployment", name, "-n", "live")["spec"]["template"]["spec"]["containers"][0][
        "resources"]["limits"]
    ask = {key: None for key in limits if key.startswith("nvidia.com/")}
    ask["nvidia.com/gpu.shared" if shared else "nvidia.com/gpu"] = "1"
    kubectl("patch", "deployment", name, "-n", "live", "--type=strategic", "-p", json.dumps({
        "spec": {"template": {
            "metadata": {"annotations": {"sharing.slicewright.io/original-gpus": "1"}},
            "spec": {"nodeSelector": {live.POOL: "ts-a100-80gb" if shared else None}, "containers": [{
                "name": "server", "resources": {"limits": ask, "requests": ask}}]}}}}))


def bare(number, count):
    """A pod of nobody that holds whole GPUs: it does not come back, so nobody may evict it."""
    pod = cluster.pod(f"bare-{number}", "", "nvidia.com/gpu", count)
    pod["metadata"]["namespace"] = "live"
    pod["spec"]["nodeSelector"] = {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"}
    return pod


class Load:
    """What owners, users and admins do."""

    def __init__(self, draw):
        self.draw = draw
        self.bare = []
        self.frozen = None
        self.began = 0

    def change(self):
        """One of them does something."""
        self.draw.choice((self.scale, self.scale, self.scale, self.arrive, self.point, self.hold,
                          self.freeze, t.approve_and_own))()

    def scale(self):
        """Demand comes and goes."""
        kubectl("scale", "deployment", "-n", "live", self.draw.choice(("thumbs", "notes")),
                f"--replicas={self.draw.choice((4, 12, 24, 36, 60, 72))}")

    def rush(self):
        """More work than whole GPUs, of owners that all ask for shared ones."""
        for name, count in (("thumbs", 72), ("notes", 60)):
            point(name, True)
            kubectl("scale", "deployment", "-n", "live", name, f"--replicas={count}")

    def arrive(self):
        """Latency-sensitive work comes and goes."""
        kubectl("scale", "deployment", "-n", "live", "chat",
                f"--replicas={self.draw.choice((0, 1, 4, 12))}")

    def point(self):
        """An owner changes its mind."""
        point(self.draw.choice(("thumbs", "notes")), self.draw.random() < 0.75)

    def hold(self):
        """A pod of nobody comes, or the oldest goes."""
        if len(self.bare) >= 4:
            kubectl("delete", "pod", "-n", "live", self.bare.pop(0), "--wait=false")
            return
        self.began += 1
        cluster.apply(bare(self.began, self.draw.choice((1, 2, 8))))
        self.bare.append(f"bare-{self.began}")

    def freeze(self):
        """An admin freezes a node, or thaws it."""
        if self.frozen is not None:
            kubectl("annotate", "node", self.frozen, "sharing.slicewright.io/freeze-")
            self.frozen = None
            return
        self.frozen = f"a100-{self.draw.randrange(16)}"
        kubectl("annotate", "node", self.frozen, "sharing.slicewright.io/freeze=true")

    def end(self):
        """Everybody calms down; the owners ask for shared GPUs."""
        if self.frozen is not None:
            self.freeze()
        for name in self.bare:
            kubectl("delete", "pod", "-n", "live", name, "--wait=false")
        kubectl("delete", "deployment", "-n", "live", "chat")
        for name, count in (("thumbs", 24), ("notes", 16)):
            point(name, True)
            kubectl("scale", "deployment", "-n", "live", name, f"--replicas={count}")


class Lives:
    """One controller after the other."""

    def __init__(self):
        self.number, self.now, self.done, self.violations = 0, None, collections.Counter(), 0

    def next(self):
        """Ends the one that is, which keeps what it learned in the cluster, and starts another."""
        self.end()
        self.number += 1
        self.now = t.start(record=t.WORK / f"churn-{self.number}.jsonl")
        eventually("leads", lambda: (self.now.status() or {}).get("leads"), seconds=60)

    def end(self):
        """Ends the one that is."""
        if self.now is None:
            return
        self.done.update(f"{d['change']} {d['verdict']}" for d in self.now.decisions()
                         if d["node"] and d["verdict"] not in ("refused", "proposed"))
        self.violations += self.now.status()["violations"]
        self.now.stop()
        self.now = None

    def complain(self):
        """What the one that is has said and decided last."""
        print("# " + self.now.tail(60).replace("\n", "\n# "))
        for d in self.now.decisions()[-40:]:
            print(f"# {d['time']} {d['verdict']} {d['text']} {d['evidence']}")


def test_policy_changes_under_load():
    """Through random changes, all of them watched, no GPU is in more hands than it may be."""
    draw = random.Random(SEED)
    load, lives, least = Load(draw), Lives(), 2
    cluster.apply(t.LATENCY_SENSITIVE)
    cluster.apply(random_policy(draw, least))
    lives.next()
    try:
        for name in ("thumbs", "notes"):
            point(name, True)
        for number in range(CHANGES):
            if number % LIFE == 0 and number > 0:
                least = draw.choice((2, 4, 8, 8))
                cluster.apply(random_policy(draw, least))
                lives.next()
                load.rush()
            cluster.apply(random_policy(draw, least))
            load.change()
            time.sleep(draw.choice((0.2, 0.5, 1, 4)))
            LOG.follow()
            equal("in too many hands", LOG.wrong, [])
            if number % 25 == 24:
                print(f"# {number + 1} policies: {LOG.histogram()}", flush=True)
        cluster.apply(live.policy(consolidation={"mode": "observe"}))
        load.end()
        t.settle(lives.now, seconds=300)
        LOG.follow()
        lives.end()
        print(f"# seed {SEED}, {CHANGES} policies, {lives.number} controllers: {LOG.events}; nodes: "
              f"{dict(lives.done)}; GPUs by the most pods that they had at once: {LOG.histogram()}")
        equal("in too many hands", LOG.wrong, [])
        equal("devices were assigned, plugins restarted",
              LOG.events["assigned"] > CHANGES and LOG.events["registered"] > 0, True)
        equal("violations", lives.violations, 0)
        if CHANGES >= 100:
            equal("more than two pods on a GPU", max(LOG.histogram()) > 2, True)
        for node in get("nodes")["items"]:
            record = node["metadata"].get("annotations", {}).get(live.ROLLOUT)
            equal(f"{node['metadata']['name']} is closed without a record",
                  node["spec"].get("unschedulable", False) and record is None, False)
    except AssertionError:
        if lives.now is not None:
            lives.complain()
        raise
    finally:
        if lives.now is not None:
            lives.now.stop()


if __name__ == "__main__":
    cluster.main([test_the_watch_sees_what_a_hand_breaks, test_policy_changes_under_load])

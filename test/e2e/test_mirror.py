#!/usr/bin/env python3
"""ctl/mirror and ctl/feed on a real API server: through changes of every kind, a restart of the API
server and rights that come and go, what they hold is what a fresh look finds.

test/e2e/mirror_follow makes both looks and compares."""

import os
import pathlib
import subprocess
import threading

import cluster
from cluster import OPERATOR_NAMESPACE, apply, equal, eventually, get, kubectl, tool
from plans import SLICEWRIGHT

FOLLOW = pathlib.Path(SLICEWRIGHT).parent / "test/e2e/mirror_follow"
EVERYTHING = [
    {"apiGroups": [""], "resources": ["nodes", "pods", "resourcequotas", "configmaps"],
     "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["apps"], "resources": ["deployments", "statefulsets", "replicasets", "daemonsets"],
     "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["batch"], "resources": ["jobs", "cronjobs"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["nvidia.com"], "resources": ["clusterpolicies"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["resource.k8s.io"], "resources": ["resourceslices"],
     "verbs": ["get", "list", "watch"]},
]
BUDGETS = [{"apiGroups": ["policy"], "resources": ["poddisruptionbudgets"],
            "verbs": ["get", "list", "watch"]}]


class Follower:
    """A running mirror_follow."""

    def __init__(self, kubeconfig):
        self.process = subprocess.Popen([str(FOLLOW), "--kubeconfig", kubeconfig], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)

    def ask(self, word, seconds=90):
        """What it answers: the lines up to the one that ends an answer."""
        ends = {"ready": ("ready",), "compare": ("same", "differs"), "seen": ("seen",),
                "stats": ("stats",)}[word]
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        guard = threading.Timer(seconds, self.process.kill)
        guard.start()
        lines = []
        for line in self.process.stdout:
            lines.append(line.rstrip("\n"))
            if lines[-1].split(" ")[0] in ends:
                guard.cancel()
                return lines
        raise AssertionError(f"{word}: ended after {lines[-3:]}")

    def same(self, what):
        """Both looks agree, soon: a change may lie between them."""
        eventually(f"{what}: mirror and API", lambda: self.ask("compare")[-1].split(" ")[0], "same")

    def stat(self, name):
        """One of the counts."""
        words = dict(word.split("=") for word in self.ask("stats")[-1].split(" ")[1:])
        return int(words[name])

    def end(self):
        """Its end, which frees everything."""
        self.process.stdin.close()
        equal("exit code of mirror_follow", self.process.wait(timeout=30), 0)


def follower():
    """One as the cluster's admin, ready."""
    one = Follower(os.environ["KUBECONFIG"])
    one.ask("ready")
    return one


def deployment(name, replicas, **more):
    """A Deployment whose pods ask for a GPU."""
    return {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {**more, "containers": [{
                "name": "main", "image": "vllm/vllm-openai:1", "args": ["serve"],
                "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}},
    }


def test_changes_of_every_kind_are_followed():
    """Nodes, pods, owners, budgets, quotas and configurations, made, changed and deleted."""
    one = follower()
    one.same("at first")
    node = next(n["metadata"]["name"] for n in get("nodes")["items"]
                if "nvidia.com/gpu.product" in n["metadata"]["labels"])
    kubectl("cordon", node)
    kubectl("annotate", "node", node, "sharing.slicewright.io/freeze=true")
    kubectl("taint", "node", node, "team=a:NoSchedule")
    apply(deployment("mirrored", 3))
    apply({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
           "metadata": {"name": "mirrored", "namespace": "default"},
           "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "mirrored"}}}})
    eventually("pods", lambda: len(get("pods", "-l", "app=mirrored")["items"]), 3)
    one.same("after what was made")
    apply({"apiVersion": "v1", "kind": "ResourceQuota",
           "metadata": {"name": "mirrored", "namespace": "default"},
           "spec": {"hard": {"requests.nvidia.com/gpu": "99"}}})
    kubectl("scale", "deployment", "mirrored", "--replicas=1")
    kubectl("uncordon", node)
    kubectl("annotate", "node", node, "sharing.slicewright.io/freeze-")
    kubectl("taint", "node", node, "team-")
    one.same("after what was changed")
    for kind in ("deployment", "poddisruptionbudget", "resourcequota"):
        kubectl("delete", kind, "mirrored")
    eventually("pods", lambda: len(get("pods", "-l", "app=mirrored")["items"]), 0)
    one.same("after what was deleted")
    equal("losses", one.stat("lost"), 0)
    one.end()


def test_heartbeats_are_no_change():
    """Nodes' heartbeats and status reach the mirror and change nothing; nobody builds a world."""
    one = follower()
    node = get("nodes")["items"][0]["metadata"]["name"]
    eventually("rest", lambda: one.stat("generation") == one.stat("generation"))
    for beat in range(5):
        kubectl("annotate", "--overwrite", "node", node, f"example.com/beat={beat}")
    eventually("events", lambda: one.stat("events") >= 5)
    worlds = one.stat("worlds")
    before = one.stat("facts")
    kubectl("annotate", "--overwrite", "node", node, "example.com/beat-")
    one.same("afterwards")
    equal("facts told of heartbeats", one.stat("facts"), before)
    equal("many worlds", one.stat("worlds") - worlds > 3, False)
    one.end()


def test_the_configmaps_that_the_operator_names_are_followed():
    """Another map is named: its keys are facts, those of the former one no more."""
    one = follower()
    policy = get("clusterpolicies.nvidia.com")["items"][0]
    name = policy["metadata"]["name"]
    former = policy["spec"]["devicePlugin"].get("config", {}).get("name", "")
    apply({"apiVersion": "v1", "kind": "ConfigMap",
           "metadata": {"name": "mirrored", "namespace": OPERATOR_NAMESPACE,
                        "labels": {"app.kubernetes.io/managed-by": "slicewright"}},
           "data": {"any": "version: v1\n"}})

    def point(to):
        kubectl("patch", "clusterpolicies.nvidia.com", name, "--type=merge", "-p",
                f'{{"spec":{{"devicePlugin":{{"config":{{"name":"{to}"}}}}}}}}')

    point("mirrored")
    one.same("another map")
    kubectl("patch", "configmap", "mirrored", "-n", OPERATOR_NAMESPACE, "--type=merge", "-p",
            '{"data":{"any":null,"ts-4":"version: v1\\nflags: {}\\n"}}')
    one.same("its keys")
    point(former)
    kubectl("delete", "configmap", "mirrored", "-n", OPERATOR_NAMESPACE)
    one.same("the former one")
    one.end()


def test_rights_that_are_missing_are_said_and_taken_up():
    """What we may not read is not seen, with the reason; once we may, it is."""
    kubeconfig = cluster.account("mirror", EVERYTHING)
    one = Follower(kubeconfig)
    one.ask("ready")
    unseen = [line for line in one.ask("seen") if line.startswith("unseen")]
    equal("kinds unseen", [line.split(":")[0] for line in unseen], ["unseen poddisruptionbudgets"])
    equal("the reason", "403" in unseen[0], True)
    one.same("without budgets")
    cluster.account("mirror", EVERYTHING + BUDGETS)
    eventually("budgets", lambda: one.ask("seen"), ["seen"], seconds=90)
    one.same("with budgets")
    one.end()


def test_a_restart_of_the_api_server_loses_nothing():
    """Changes made right after it are there."""
    one = follower()
    tool("restart", "apiserver", "--kill")
    apply(deployment("restarted", 2))
    eventually("pods", lambda: len(get("pods", "-l", "app=restarted")["items"]), 2)
    one.same("after a restart")
    kubectl("delete", "deployment", "restarted")
    one.same("after its end")
    one.end()


cluster.main([
    test_changes_of_every_kind_are_followed,
    test_heartbeats_are_no_change,
    test_the_configmaps_that_the_operator_names_are_followed,
    test_rights_that_are_missing_are_said_and_taken_up,
    test_a_restart_of_the_api_server_loses_nothing,
])

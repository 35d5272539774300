#!/usr/bin/env python3
"""`slicewright plan` on a real control plane, under exactly the role that is shipped: what it finds,
what it leaves alone and why, that it changes nothing, and that each rule of the role is needed."""

import copy
import json
import pathlib
import subprocess
import tempfile

import cluster
from cluster import equal, eventually, get, kubectl
from plans import account, left, plan, prometheus, run, saving

ROLE = "slicewright-plan"
SECRET = "planted-secret-7391"
FOLDER = tempfile.TemporaryDirectory(prefix="slicewright-plan-")  # goes with the program
WORK = pathlib.Path(FOLDER.name)


def test_what_is_there_is_counted():
    """Nodes, GPUs and pods are those of the API."""
    found = plan("--metrics", "none")
    nodes = [n for n in get("nodes")["items"] if "nvidia.com/gpu.product" in n["metadata"]["labels"]]
    equal("nodes", found["now"]["nodes"], len(nodes))
    equal("GPUs", found["now"]["gpus_provisioned"],
          sum(int(n["metadata"]["labels"]["nvidia.com/gpu.count"]) for n in nodes))
    pods = [p for p in get("pods", "-A")["items"]
            if p["status"]["phase"] in ("Running", "Pending") and any(
                key.startswith("nvidia.com/")
                for c in p["spec"]["containers"] for key in c.get("resources", {}).get("limits", {}))]
    equal("pods", found["now"]["pods"], len(pods))
    equal("unseen", [row["subject"] for row in found["unseen"]], ["metrics"])


def test_without_history_nothing_is_proven():
    """A look at the exporters gives hints, no patch that is not commented out."""
    found = plan("--metrics", "exporters")
    equal("used is known", found["now"]["gpus_used"] is not None, True)
    equal("certainties", {row["certainty"] for row in found["savings"]}, {"unproven"})
    equal("hint for thumbs", saving(found, "Deployment plan/thumbs")["command"], "")
    code, out, _ = run("plan", "-o", "patches", "-q", "--metrics", "exporters", kubeconfig=account())
    equal("exit code", code, 0)
    equal("live lines", [line for line in out.splitlines() if line.startswith("kubectl")], [])


def test_history_proves_savings_and_names_the_patch():
    """With history owners are pointed to a pool; the patch is accepted by the API server."""
    found = plan(*prometheus())
    for subject in ("Deployment plan/thumbs", "StatefulSet plan/lab"):
        row = saving(found, subject)
        equal(f"{subject} is a saving", row is not None, True)
        # Of some nodes only a part is freed.
        equal(f"{subject} saves", row["saving_usd_per_day"] + row["room_usd_per_day"] > 0, True)
        equal(f"certainty of {subject}", row["certainty"] in ("proven", "forecast"), True)
        kind, name = subject.split(" plan/")
        patched = json.loads(kubectl("patch", kind.lower(), name, "-n", "plan", "--type",
                                     "strategic", "-p", row["patch"], "--dry-run=server", "-o",
                                     "json"))
        template = patched["spec"]["template"]
        limits = [c["resources"]["limits"] for c in template["spec"]["containers"]
                  if "limits" in c["resources"]]
        equal(f"limits of {subject}", [sorted(one) for one in limits], [["nvidia.com/gpu.shared"]])
        equal(f"pool of {subject}",
              "sharing.slicewright.io/pool" in template["spec"]["nodeSelector"], True)
    equal("who writes thumbs", saving(found, "Deployment plan/thumbs")["managed_by"], "Argo CD")
    equal("history was run again", found["run_again"]["violations"], 0)


def test_what_is_not_ours_is_left_alone_with_the_reason():
    """Queues, quotas, other schedulers, selectors that a pool would not keep."""
    found = plan("--metrics", "none")
    reasons = {
        "Deployment plan/queued": "Kueue queue 'team-a' counts its GPUs",
        "Deployment plan/picky": "selects nodes by kubernetes.io/hostname=a100-0, which only some "
                                 "nodes of a GPU model have",
        "StatefulSet research/notebook": "ResourceQuota 'gpus' counts requests.nvidia.com/gpu in "
                                         "its namespace",
        "Job batch/gang": "scheduled by 'volcano'",
    }
    for subject, why in reasons.items():
        row = left(found, subject)
        equal(f"reason of {subject}", row["reason"], "guard-foreign-owner")
        equal(f"why of {subject}", row["why"], why)


def test_a_node_that_somebody_else_shares_is_left_alone():
    """Time-slicing without our mark is somebody's hand; done with a pod on a GPU it books that GPU
    twice, which is said."""
    cluster.apply(cluster.pod("holder", "l4-7", "nvidia.com/gpu"))
    eventually("holder has a GPU", lambda: bool(cluster.devices("holder")))
    kubectl("patch", "configmap", "device-plugin-config", "-n", cluster.OPERATOR_NAMESPACE,
            "--type=merge", "-p", json.dumps({"data": {"by-hand": "version: v1\nsharing:\n"
                "  timeSlicing:\n    renameByDefault: true\n"
                "    resources: [{name: nvidia.com/gpu, replicas: 3}]\n"}}))
    cluster.label("l4-7", device_plugin__config="by-hand")
    eventually("shared", lambda: cluster.allocatable("l4-7", "nvidia.com/gpu.shared"), 12)
    eventually("labels", lambda: cluster.node_labels("l4-7")["nvidia.com/gpu.replicas"], "3")
    found = plan("--metrics", "none")
    row = left(found, "Node l4-7")
    equal("reason", row["reason"], "guard-foreign-owner")
    equal("why", row["why"], "time-slicing x 3, set up by somebody else")
    told = [row["text"] for row in found["warnings"] if row["subject"] == "node l4-7"]
    equal("booked twice", told,
          ["it offers shared GPUs while 1 pod (default/holder) holds whole ones"])
    kubectl("delete", "pod", "holder", "--wait=false")
    eventually("nobody is told of", lambda: [
        row["subject"] for row in plan("--metrics", "none")["warnings"]
        if row["subject"] == "node l4-7"], [])


def test_plan_changes_nothing():
    """No object's version moves by a plan, and the role could not move it."""
    kinds = "nodes,deployments,statefulsets,configmaps,poddisruptionbudgets"
    versions = lambda: {(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]):
                        o["metadata"].get("generation", 0) for o in get(kinds, "-A")["items"]}
    before = versions()
    plan(*prometheus(2))
    equal("generations", versions(), before)
    verbs = {verb for name in ("clusterrole", "role -n gpu-operator") for rule in json.loads(
        kubectl("get", *name.split(), ROLE, "-o", "json"))["rules"] for verb in rule["verbs"]}
    equal("verbs of the role", verbs, {"list", "get"})


def test_a_recording_decides_the_same():
    """What was decided live comes out of the recording byte for byte, and can be run again."""
    tape = str(WORK / "live.jsonl")
    plan(*prometheus(), "--record", tape)
    code, out, err = run("replay", tape)
    equal("replay: " + err, code, 0)
    equal("verdict", "all the same" in out, True)
    code, out, err = run("simulate", "--trace", f"recorded:{tape}", "-q", "-o", "json")
    equal("simulate: " + err, code, 0)
    equal("scenario", json.loads(out)["scenario"], "recorded")


def test_no_secret_is_told():
    """A token in a pod's environment is in no output and no recording."""
    tape = WORK / "secret.jsonl"
    code, out, err = run("plan", "--metrics", "none", "--record", str(tape), "-o", "yaml",
                         kubeconfig=account())
    equal("exit code", code, 0)
    token = subprocess.run(
        ["grep", "-o", "token: .*", account()], capture_output=True, text=True, check=True
    ).stdout.split()[1]
    for what, text in (("output", out), ("errors", err), ("recording", tape.read_text())):
        equal(f"planted secret in {what}", SECRET in text, False)
        equal(f"token in {what}", token in text, False)


def test_objects_of_a_file_give_the_same_plan():
    """What kubectl prints is as good as the cluster, but for the names of what was read."""
    text = kubectl("get", "nodes,pods,deployments,statefulsets,replicasets,daemonsets,jobs,cronjobs,"
                   "poddisruptionbudgets,resourcequotas,clusterpolicies", "-A", "-o", "json")
    dump = WORK / "objects.json"
    dump.write_text(text)
    live = plan("--metrics", "none")
    code, out, err = run("plan", "-o", "json", "-q", "-f", str(dump))
    equal("exit code: " + err, code, 0)
    of_file = json.loads(out)
    for key in ("now", "left_alone", "savings"):
        equal(key, of_file[key], live[key])


def test_lint_live_reads_what_the_nodes_read():
    """A key that NVIDIA's plugin would refuse is found in the cluster, with what to write instead."""
    code, out, err = run("lint", "--live", kubeconfig=account())
    equal("clean at first: " + out + err, code, 0)
    kubectl("patch", "configmap", "device-plugin-config", "-n", cluster.OPERATOR_NAMESPACE,
            "--type=merge", "-p", json.dumps({"data": {
                "article": "version: v1\nsharing:\n  timeSlicing:\n    replicas: 4\n"}}))
    code, out, _ = run("lint", "--live", "-o", "json", kubeconfig=account())
    kubectl("patch", "configmap", "device-plugin-config", "-n", cluster.OPERATOR_NAMESPACE,
            "--type=merge", "-p", json.dumps({"data": {"article": None}}))
    equal("exit code", code, 1)
    errors = [one for one in json.loads(out) if one["severity"] == "error"]
    equal("file", {one["file"] for one in errors},
          {"configmap/gpu-operator/device-plugin-config/article"})
    equal("says what to write", "resources" in errors[0].get("instead", ""), True)


def test_lint_live_reads_what_nodes_choose():
    """Labels that name a config which is not there: node, label, name and what there is."""
    wanted = {
        "node/l4-6": ("plugin-label", "label nvidia.com/device-plugin.config: 'no-such-key'"),
        "node/a30-3": ("mig-label", "label nvidia.com/mig.config: 'all-1g.6gbb'"),
    }
    cluster.label("l4-6", device_plugin__config="no-such-key")
    cluster.label("a30-3", mig__config="all-1g.6gbb")
    try:
        code, out, err = run("lint", "--live", "-o", "json", kubeconfig=account())
    finally:
        cluster.label("l4-6", device_plugin__config=None)
        cluster.label("a30-3", mig__config="all-disabled")
    equal(f"exit code: {err}", code, 1)
    found = {one["file"]: one for one in json.loads(out) if one["severity"] == "error"}
    equal("objects", set(found), set(wanted))
    for name, (rule, text) in wanted.items():
        equal(f"rule of {name}", found[name]["rule"], rule)
        equal(f"{name}: {found[name]['message']}", found[name]["message"].startswith(text), True)
    equal("what there is", found["node/a30-3"]["instead"], "all-1g.6gb")


# -- each rule of the role -------------------------------------------------------------------------

RULES = [(kind, group, resource) for kind, rules in (
    ("clusterrole", (("", "nodes"), ("", "pods"), ("", "resourcequotas"), ("apps", "deployments"),
                     ("apps", "statefulsets"), ("apps", "replicasets"), ("apps", "daemonsets"),
                     ("batch", "jobs"), ("batch", "cronjobs"), ("policy", "poddisruptionbudgets"),
                     ("nvidia.com", "clusterpolicies"), ("resource.k8s.io", "resourceslices"))),
    ("role", (("", "configmaps"),))) for group, resource in rules]


def test_each_rule_of_the_role_has_a_test():
    """What the role allows is what is taken away below, one after the other."""
    account()
    allowed = {(kind, group, resource)
               for kind, place in (("clusterrole", []), ("role", ["-n", cluster.OPERATOR_NAMESPACE]))
               for rule in json.loads(kubectl("get", kind, ROLE, *place, "-o", "json"))["rules"]
               for group in rule["apiGroups"] for resource in rule["resources"]}
    equal("rules", allowed, set(RULES))


def without(kind, group, resource):
    """The role without the right to one resource."""
    place = ["-n", cluster.OPERATOR_NAMESPACE] if kind == "role" else []
    role = json.loads(kubectl("get", kind, ROLE, *place, "-o", "json"))
    for rule in role["rules"]:
        if rule["apiGroups"] == [group]:
            rule["resources"] = [one for one in rule["resources"] if one != resource]
    role["rules"] = [rule for rule in role["rules"] if rule["resources"]]
    role["metadata"] = {key: role["metadata"][key] for key in ("name", "namespace")
                        if key in role["metadata"]}
    return role


def rule_test(kind, group, resource):
    """A test that misses the rule."""
    def test():
        account()
        place = ["-n", cluster.OPERATOR_NAMESPACE] if kind == "role" else []
        whole = json.loads(kubectl("get", kind, ROLE, *place, "-o", "json"))
        kubectl("replace", "-f", "-", stdin=json.dumps(without(kind, group, resource)))
        try:
            if resource in ("nodes", "pods"):
                eventually(f"plan is refused without {resource}", lambda: resource in run(
                    "plan", "-q", "--metrics", "none", kubeconfig=account())[2])
                code, out, err = run("plan", "-q", "--metrics", "none", kubeconfig=account())
                equal(f"exit code: {err}", (code, out), (2, ""))
            else:
                eventually(f"plan says that it saw no {resource}", lambda: resource in [
                    row["subject"] for row in plan("--metrics", "none")["unseen"]])
        finally:
            restored = copy.deepcopy(whole)
            restored["metadata"] = {key: whole["metadata"][key] for key in ("name", "namespace")
                                    if key in whole["metadata"]}
            kubectl("replace", "-f", "-", stdin=json.dumps(restored))
        eventually("the rule is back", lambda: run(
            "plan", "-q", "-o", "json", "--metrics", "none", kubeconfig=account())[0] == 0)
    test.__name__ = f"test_rule_{resource}_is_needed"
    return test


if __name__ == "__main__":
    cluster.main([value for name, value in list(globals().items()) if name.startswith("test_")] +
                 [rule_test(*rule) for rule in RULES])

#!/usr/bin/env python3
"""`slicewright dra` on a real control plane, under exactly the role that is shipped: what it reads, what
it says of claims, templates, pods and taint rules, and that each rule of the role is needed."""

import json
import pathlib
import tempfile

import cluster
from claims import (API, GPU, MIG, account, claim, create, device_class, dra, of_type, pod,
                    predicted, publish, request, run)
from cluster import equal, eventually, get, kubectl

ROLE = "slicewright-dra"
WORK = pathlib.Path(tempfile.mkdtemp(prefix="slicewright-dra-"))
SMALL = f"device.attributes['{GPU}'].profile == '1g.6gb'"


def setup():
    """Two nodes of one A30 and of one H100, classes, a template, a claim that wants too much."""
    publish("a30-0", "A30-24GB", 1)
    publish("h100-0", "H100-80GB", 1)
    create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}},
           device_class(MIG, of_type("mig")),
           device_class(GPU, of_type("gpu"), extendedResourceName="example.com/whole-gpu"),
           claim("team", "small", [request("r", MIG, SMALL)], template=True),
           claim("team", "many", [request("r", MIG, SMALL, count=5)]))


def test_it_says_of_the_cluster_what_it_says_of_a_dump():
    """kubectl's output as a file gives the same bytes."""
    dump = WORK / "objects.json"
    dump.write_text(kubectl("get", "deviceclasses,resourceslices,resourceclaims,"
                            "resourceclaimtemplates,devicetaintrules,nodes", "-A", "-o", "json"))
    for verb, arguments in (("explain", ["--claim", "team/many"]),
                            ("explain", ["--claim", "team/many", "-n", "a30-0", "-o", "json"]),
                            ("allocate", ["--claim", "team/small", "--all-nodes"])):
        code, live = dra(verb, *arguments)
        of_file = run("dra", verb, "-f", str(dump), *arguments)
        equal(f"exit code of {verb}: {of_file[2]}", of_file[0], code)
        equal(verb, of_file[1], live)


def test_the_funnel_names_what_is_missing():
    """Five instances of which the GPU holds four."""
    code, out = dra("explain", "--claim", "team/many", "--node", "a30-0")
    equal("exit code", code, 1)
    for words in ("claim team/many on node a30-0: does not fit", "request r (class mig.nvidia.com): "
                  "5 devices", "4  selector"):
        equal(f"'{words}' is in {out}", words in out, True)
    equal("nodes that take a small one", sorted(predicted("--claim", "team/small")), ["a30-0"])


def test_a_pending_pod_waits_for_what_explain_names():
    """A taint rule keeps a pod out; without it the scheduler gives what was foreseen."""
    rule = {"apiVersion": API, "kind": "DeviceTaintRule", "metadata": {"name": "broken"},
            "spec": {"deviceSelector": {"driver": GPU, "pool": "a30-0"},
                     "taint": {"key": "example.com/broken", "effect": "NoSchedule"}}}
    (foreseen,) = predicted("--claim", "team/small")["a30-0"].values()
    create(rule, pod("team", "waits", {"gpu": ("resourceClaimTemplateName", "small")}))
    eventually("the scheduler says no", lambda: any(
        c.get("reason") == "Unschedulable"
        for c in get("pod", "waits", "-n", "team")["status"].get("conditions", [])))
    code, out = dra("explain", "--pod", "team/waits", "--node", "a30-0")
    equal("exit code", code, 1)
    equal(f"the taint is in {out}", "add a toleration: taint example.com/broken" in out, True)
    equal("nodes", predicted("--pod", "team/waits"), {})
    kubectl("delete", "devicetaintrule", "broken")
    eventually("the pod runs", lambda: get("pod", "waits", "-n", "team")["status"]["phase"],
               "Running")
    made = get("pod", "waits", "-n", "team")["status"]["resourceClaimStatuses"][0]
    given = get("resourceclaim", made["resourceClaimName"], "-n", "team")["status"]["allocation"]
    equal("devices", given["devices"]["results"], foreseen["devices"]["results"])
    kubectl("delete", "pod", "waits", "-n", "team")


def test_a_pod_with_an_extended_resource_gets_what_was_foreseen():
    """The scheduler makes the claim; what it will say is known before."""
    kubectl("cordon", "h100-0")
    create(pod("team", "extended", {}, limits={"example.com/whole-gpu": "1"}))
    foreseen = predicted("--pod", "team/extended")
    equal("nodes", list(foreseen), ["h100-0"])
    kubectl("uncordon", "h100-0")
    eventually("the pod runs", lambda: get("pod", "extended", "-n", "team")["status"]["phase"],
               "Running")
    made = get("pod", "extended", "-n", "team")["status"]["extendedResourceClaimStatus"]
    given = get("resourceclaim", made["resourceClaimName"], "-n", "team")["status"]["allocation"]
    (wanted,) = foreseen["h100-0"].values()
    equal("allocation", given["devices"]["results"], wanted["devices"]["results"])
    code, out, _ = run("dra", "explain", "--pod", "team/extended", kubeconfig=account())
    equal("a pod that is placed waits for nothing", (code, out), (2, ""))
    kubectl("delete", "pod", "extended", "-n", "team")


def test_lint_reads_the_cluster():
    """A class that no device of the cluster satisfies."""
    code, out = dra("lint")
    equal(f"clean at first: {out}", code, 0)
    create(device_class("nowhere", f"device.driver == '{GPU}' && "
                        f"device.attributes['{GPU}'].type == 'tpu'"))
    code, out = dra("lint")
    kubectl("delete", "deviceclass", "nowhere")
    equal("exit code", code, 1)
    equal(f"the class is in {out}", "DeviceClass nowhere: no published device" in out, True)


def test_the_role_cannot_write():
    """Lists are all that it holds."""
    role = json.loads(kubectl("get", "clusterrole", ROLE, "-o", "json"))
    equal("verbs", {verb for rule in role["rules"] for verb in rule["verbs"]}, {"list"})


def rule_test(group, resource):
    """A test that misses the right to one resource."""
    def replace(rules):
        account()
        kubectl("replace", "-f", "-", stdin=json.dumps({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": ROLE}, "rules": rules}))

    def explain():
        return run("dra", "explain", "--claim", "team/many", kubeconfig=account())

    def test():
        account()
        whole = json.loads(kubectl("get", "clusterrole", ROLE, "-o", "json"))["rules"]
        replace([{**rule, "resources": [r for r in rule["resources"] if r != resource]}
                 if rule["apiGroups"] == [group] else rule for rule in whole])
        try:
            eventually(f"explain is refused without {resource}", lambda: explain()[0], 2)
            code, out, err = explain()
            equal(f"exit code: {err}", (code, out), (2, ""))
            equal(f"{resource} is named in {err}", f"/{resource}" in err and "403" in err, True)
        finally:
            replace(whole)
        eventually("the rule is back", lambda: explain()[0], 1)
    test.__name__ = f"test_rule_{resource}_is_needed"
    return test


RULES = [("", "nodes"), ("", "pods"), *(("resource.k8s.io", name) for name in (
    "deviceclasses", "devicetaintrules", "resourceclaims", "resourceclaimtemplates",
    "resourceslices"))]

if __name__ == "__main__":
    if cluster.NAME:
        setup()
    cluster.main([value for name, value in list(globals().items()) if name.startswith("test_")] +
                 [rule_test(*rule) for rule in RULES])

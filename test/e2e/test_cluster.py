#!/usr/bin/env python3
"""The cluster that tools/cluster starts is a real one: roles are enforced, claims are allocated, work
is placed by the scheduler, and a component that crashes comes back with all that was there."""

import json

import cluster
from cluster import eventually, equal, get


def test_mixed_work_is_placed():
    """All of it runs, but what another scheduler is to place."""
    def phases():
        pods = get("pods", "-A", "--selector", "app!=nvidia-device-plugin-daemonset")["items"]
        ours = [p for p in pods if p["metadata"]["namespace"] in ("serving", "research", "batch")]
        return {(p["spec"]["schedulerName"], p["status"]["phase"]) for p in ours}
    eventually("phases by scheduler", phases,
               {("default-scheduler", "Running"), ("volcano", "Pending")})
    held = sum(len(ids) for p in get("pods", "-n", "serving")["items"] for c in json.loads(
        p["metadata"]["annotations"]["fake.slicewright.io/devices"]).values() for ids in c.values())
    equal("devices that serving holds", held, 24 + 16 + 6 * 2)


def test_a_role_grants_what_it_says():
    """A rule taken away is a request refused, with the same token."""
    read = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}
    pods = {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}
    config = cluster.account("reader", [read, pods])
    equal("nodes", len(get("nodes", "--kubeconfig", config)["items"]), 42)
    assert get("pods", "-A", "--kubeconfig", config)["items"]
    cluster.account("reader", [read])

    def refusal():
        try:
            get("pods", "-A", "--kubeconfig", config)
        except RuntimeError as error:
            return "pods is forbidden" in str(error)
        return False
    eventually("pods refused", refusal)
    equal("nodes still", len(get("nodes", "--kubeconfig", config)["items"]), 42)


def test_a_claim_gets_its_device():
    """The scheduler allocates a device of a slice by a class's CEL, and reserves it for the pod."""
    node, group = "cpu-0", "resource.k8s.io/v1"
    cluster.apply({"apiVersion": group, "kind": "ResourceSlice", "metadata": {"name": "cpu-0-fake"},
                   "spec": {"driver": "fake.example.com", "nodeName": node,
                            "pool": {"name": node, "generation": 1, "resourceSliceCount": 1},
                            "devices": [{"name": f"dev-{i}", "attributes": {"size": {"int": i}}}
                                        for i in range(3)]}})
    expression = 'device.attributes["fake.example.com"].size == 2'
    cluster.apply({"apiVersion": group, "kind": "DeviceClass", "metadata": {"name": "large"},
                   "spec": {"selectors": [{"cel": {"expression": expression}}]}})
    request = {"name": "one", "exactly": {"deviceClassName": "large"}}
    cluster.apply({"apiVersion": group, "kind": "ResourceClaim",
                   "metadata": {"name": "claim", "namespace": "default"},
                   "spec": {"devices": {"requests": [request]}}})
    pod = cluster.pod("claimer", node, "cpu")
    pod["spec"]["resourceClaims"] = [{"name": "device", "resourceClaimName": "claim"}]
    pod["spec"]["containers"][0]["resources"] = {"claims": [{"name": "device"}]}
    cluster.apply(pod)
    eventually("the pod", lambda: cluster.phase("claimer"), "Running")
    status = get("resourceclaim", "claim")["status"]
    equal("device", status["allocation"]["devices"]["results"][0]["device"], "dev-2")
    equal("reserved for", status["reservedFor"][0]["name"], "claimer")


def test_a_crashed_component_comes_back_with_everything():
    """The API server and the fake operator are killed: nothing is lost and nothing given twice."""
    before = {p["metadata"]["name"]: p["metadata"]["annotations"]["fake.slicewright.io/devices"]
              for p in get("pods", "-n", "serving")["items"]}
    cluster.tool("restart", "apiserver", "--kill")
    cluster.tool("restart", "fake-operator", "--kill")
    after = {p["metadata"]["name"]: p["metadata"]["annotations"]["fake.slicewright.io/devices"]
             for p in get("pods", "-n", "serving")["items"]}
    equal("devices of the pods", after, before)
    cluster.apply(cluster.pod("late", "a100-0", "nvidia.com/gpu"))
    eventually("a pod that came later", lambda: cluster.phase("late"), "Running")
    twice = [n["node"] for n in cluster.states() if n["doubleBooked"] and n["node"][0] in "ah"
             and not n["node"].startswith("a30")]
    equal("nodes with a GPU booked twice", twice, [])
    cluster.tool("status")


if __name__ == "__main__":
    cluster.main([value for name, value in sorted(globals().items()) if name.startswith("test_")])

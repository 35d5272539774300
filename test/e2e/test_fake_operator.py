#!/usr/bin/env python3
"""The fake NVIDIA parts behave as the real ones do: how sharing is switched on, what goes wrong on
the way, and what the nodes then say.  Each test has nodes of its own."""

import json
import os

import cluster
from cluster import allocatable, eventually, equal, label
from plans import run

CONFIG = "device-plugin-config"


def put_config(key, text):
    """Writes one key of the device plugin's ConfigMap."""
    cluster.kubectl("patch", "configmap", CONFIG, "-n", cluster.OPERATOR_NAMESPACE, "--type=merge",
                    "-p", json.dumps({"data": {key: text}}))


def sharing(replicas, options=""):
    """A config that shares whole GPUs."""
    return ("version: v1\nsharing:\n  timeSlicing:\n    renameByDefault: true\n" + options +
            f"    resources: [{{name: nvidia.com/gpu, replicas: {replicas}}}]\n")


def share(node, key, replicas, options=""):
    """Shares the GPUs of a node and waits until kubelet says so."""
    put_config(key, sharing(replicas, options))
    label(node, device_plugin__config=key)
    count = int(cluster.node_labels(node)["nvidia.com/gpu.count"])
    eventually("nvidia.com/gpu.shared", lambda: allocatable(node, "nvidia.com/gpu.shared"),
               count * replicas)


def test_a_key_that_is_not_there_yet_is_waited_for():
    """config-manager ends with its error until kubelet brings the new key, then the node shares."""
    node = "l4-0"
    equal("before", allocatable(node, "nvidia.com/gpu"), 4)
    # Later than kubelet may be, so that the label is there first on a slow machine too.
    cluster.kubectl("annotate", "node", node, "fake.slicewright.io/faults=config-lag=3m")
    put_config("late-x4", sharing(4))
    label(node, device_plugin__config="late-x4")
    eventually("config-manager's error", lambda: cluster.state(node).get("error"),
               "specified config late-x4 does not exist", seconds=10)
    eventually("nvidia.com/gpu.shared", lambda: allocatable(node, "nvidia.com/gpu.shared"), 16)
    equal("nvidia.com/gpu", allocatable(node, "nvidia.com/gpu"), 0)
    eventually("replicas", lambda: cluster.node_labels(node)["nvidia.com/gpu.replicas"], "4")
    labels = cluster.node_labels(node)
    equal("strategy", labels["nvidia.com/gpu.sharing-strategy"], "time-slicing")
    equal("product", labels["nvidia.com/gpu.product"], "NVIDIA-L4")


def test_an_edit_under_the_same_key_is_not_seen():
    """Only a new key is: what an old one holds is read when the plugin starts again."""
    node = "l4-1"
    share(node, "edited", 2)
    put_config("edited", sharing(3))
    put_config("edited-marker", sharing(5))
    # Another node sees the marker, so the edit has been there for as long as kubelet takes.
    share("l4-2", "edited-marker", 5)
    equal("replicas", allocatable(node, "nvidia.com/gpu.shared"), 8)


def test_what_the_parser_refuses_ends_the_plugin():
    """The form that an article shows costs the node its GPUs until it is put right."""
    node = "l4-3"
    put_config("wrong", "version: v1\nsharing: {timeSlicing: {replicas: 4}}\n")
    label(node, device_plugin__config="wrong")
    error = eventually("the plugin's error", lambda: "no resources specified" in
                       cluster.state(node).get("error", "") and cluster.state(node)["error"])
    assert error.startswith("error starting plugins: unable to load config:"), error
    eventually("nvidia.com/gpu", lambda: allocatable(node, "nvidia.com/gpu"), 0)
    label(node, device_plugin__config=None)
    eventually("nvidia.com/gpu", lambda: allocatable(node, "nvidia.com/gpu"), 4)


def test_switching_an_occupied_node_books_a_gpu_twice():
    """kubelet frees devices by id, and a replica's id is another one than the GPU's."""
    node = "l4-4"
    cluster.apply(cluster.pod("whole", node, "nvidia.com/gpu"))
    eventually("the pod runs", lambda: cluster.phase("whole"), "Running")
    share(node, "twice", 2)
    for number in range(8):
        cluster.apply(cluster.pod(f"part-{number}", node, "nvidia.com/gpu.shared"))
    eventually("all run", lambda: {cluster.phase(f"part-{i}") for i in range(8)}, {"Running"})
    held = cluster.devices("whole")[0]
    users = [i for i in range(8) if cluster.devices(f"part-{i}")[0].startswith(held + "::")]
    equal("pods beside the one that has the whole GPU", len(users), 2)
    equal("double booked", cluster.state(node)["doubleBooked"], [held])


def test_a_request_for_two_shares_is_refused_at_admission():
    """The scheduler lets it pass; the plugin does not."""
    node = "l4-5"
    share(node, "strict", 2, "    failRequestsGreaterThanOne: true\n")
    cluster.apply(cluster.pod("greedy", node, "nvidia.com/gpu.shared", 2))
    eventually("the pod", lambda: cluster.phase("greedy"), "Failed")
    status = cluster.get("pod", "greedy")["status"]
    equal("reason", status["reason"], "UnexpectedAdmissionError")
    assert "maximum request size for shared resources is 1; found 2" in status["message"], status


def test_mig_manager_follows_its_label():
    """pending, then success; instances, resources and labels follow; other pods stay."""
    node = "a30-0"
    label(node, mig__config="all-1g.6gb")
    eventually("pending", lambda: cluster.node_labels(node)["nvidia.com/mig.config.state"],
               "pending", seconds=10)
    eventually("success", lambda: cluster.node_labels(node)["nvidia.com/mig.config.state"],
               "success")
    eventually("instances", lambda: allocatable(node, "nvidia.com/mig-1g.6gb"), 16)
    eventually("count", lambda: cluster.node_labels(node).get("nvidia.com/mig-1g.6gb.count"), "16")
    equal("replicas of whole GPUs", cluster.node_labels(node)["nvidia.com/gpu.replicas"], "0")
    cluster.apply(cluster.pod("slice", node, "nvidia.com/mig-1g.6gb"))
    eventually("the pod runs", lambda: cluster.phase("slice"), "Running")
    assert cluster.devices("slice")[0].startswith("MIG-")


def test_mig_mode_of_a_busy_gpu_does_not_change():
    """On Ampere all GPUs of the node are reset, so one busy GPU makes it fail."""
    node = "a30-1"
    cluster.apply(cluster.pod("busy", node, "nvidia.com/gpu"))
    eventually("the pod runs", lambda: cluster.phase("busy"), "Running")
    label(node, mig__config="all-2g.12gb")
    eventually("failed", lambda: cluster.node_labels(node)["nvidia.com/mig.config.state"],
               "failed")
    assert "In use by another client" in cluster.state(node)["migError"]
    eventually("the plugin is back", lambda: allocatable(node, "nvidia.com/gpu"), 4)


def test_mig_faults():
    """Success with nothing made, and pending for ever with the clients paused."""
    cluster.kubectl("annotate", "node", "a30-2", "fake.slicewright.io/faults=mig=empty")
    label("a30-2", mig__config="all-1g.6gb")
    eventually("success", lambda: (cluster.state("a30-2")["mig"], cluster.node_labels("a30-2")[
        "nvidia.com/mig.config.state"]), ("idle", "success"))
    eventually("no GPU", lambda: allocatable("a30-2", "nvidia.com/gpu"), 0)
    equal("no instance", allocatable("a30-2", "nvidia.com/mig-1g.6gb"), None)
    cluster.kubectl("annotate", "node", "a30-3", "fake.slicewright.io/faults=mig=stuck")
    label("a30-3", mig__config="all-1g.6gb")
    eventually("stuck", lambda: cluster.state("a30-3")["mig"], "stuck")
    labels = cluster.node_labels("a30-3")
    equal("state", labels["nvidia.com/mig.config.state"], "pending")
    equal("plugin", labels["nvidia.com/gpu.deploy.device-plugin"], "paused-for-mig-change")


def plugin_pods(node):
    """The device plugin's pods of a node that run: their UIDs."""
    pods = cluster.get("pods", "-n", cluster.OPERATOR_NAMESPACE, "--field-selector",
                       f"spec.nodeName={node}", "-l", "app=nvidia-device-plugin-daemonset")
    return [p["metadata"]["uid"] for p in pods["items"] if p["status"]["phase"] == "Running"
            and "deletionTimestamp" not in p["metadata"]]


def restart_parts(node):
    """Ends the Operator's pods of a node, as a node's restart would; what plugin ran before."""
    before = plugin_pods(node)
    cluster.kubectl("delete", "pods", "-n", cluster.OPERATOR_NAMESPACE, "--field-selector",
                    f"spec.nodeName={node}", "--wait=true")
    return before


def first_at_a_start():
    """What lint says of nodes that offer other devices whenever their plugin starts."""
    _, out, _ = run("lint", "--live", "-o", "json", kubeconfig=os.environ["KUBECONFIG"])
    return [f["message"] for f in json.loads(out)
            if (f["file"], f["rule"]) == ("clusterpolicy", "plugin-start")]


def test_a_newer_config_manager_acts_before_it_sees_the_label():
    """From v0.18.2 on a node whose key is not there falls back to the default: whole GPUs."""
    node = "l4-1"
    policy = {"daemonsets": {"updateStrategy": "OnDelete"}, "devicePlugin": {"version": "v0.19.1"}}
    cluster.kubectl("patch", "clusterpolicy", "cluster-policy", "--type=merge", "-p",
                    json.dumps({"spec": policy}))
    eventually("the DaemonSet", lambda: cluster.get(
        "daemonset", "nvidia-device-plugin-daemonset", "-n", cluster.OPERATOR_NAMESPACE)["spec"][
            "template"]["spec"]["containers"][1]["image"].endswith(":v0.19.1"))
    restart_parts(node)
    share(node, "early", 2)
    equal("whole GPUs", allocatable(node, "nvidia.com/gpu"), 0)
    label(node, device_plugin__config="later")
    eventually("the error", lambda: cluster.state(node).get("error"),
               "specified config later does not exist", seconds=10)
    eventually("the default", lambda: (allocatable(node, "nvidia.com/gpu"),
                                       allocatable(node, "nvidia.com/gpu.shared")), (4, 0))
    code, out, err = run("lint", "--live", "-o", "json", kubeconfig=os.environ["KUBECONFIG"])
    equal("exit code of lint: " + err, code, 1)
    found = {(f["file"], f["rule"]) for f in json.loads(out)}
    assert (f"node/{node}", "plugin-label") in found, found
    code, out, err = run("plan", "-o", "json", "-q", "--metrics", "none",
                         kubeconfig=os.environ["KUBECONFIG"])
    equal("exit code of plan: " + err, code, 0)
    warnings = [w["text"] for w in json.loads(out)["warnings"] if w["subject"] == "ClusterPolicy"]
    assert any("v0.19.1 offers the default configuration first" in w for w in warnings), warnings
    put_config("later", sharing(3))
    eventually("the key", lambda: allocatable(node, "nvidia.com/gpu.shared"), 12)
    told = first_at_a_start()
    equal(f"whose: {told}", [t.count("GPUs that are not shared first") for t in told
                             if "'later'" in t], [1])
    label(node, device_plugin__config="whole")
    put_config("whole", "version: v1\n")
    eventually("whole GPUs again", lambda: allocatable(node, "nvidia.com/gpu"), 4)
    told = first_at_a_start()
    equal(f"as the default: {told}", [t for t in told if "'later'" in t or "'whole'" in t], [])
    label(node, device_plugin__config="later")
    eventually("shared again", lambda: allocatable(node, "nvidia.com/gpu.shared"), 12)
    policy["daemonsets"]["updateStrategy"] = "RollingUpdate"
    policy["devicePlugin"]["version"] = "v0.18.0"
    cluster.kubectl("patch", "clusterpolicy", "cluster-policy", "--type=merge", "-p",
                    json.dumps({"spec": policy}))
    restart_parts(node)
    eventually("as before", lambda: allocatable(node, "nvidia.com/gpu.shared"), 12)
    equal("v0.18.0 keeps what it had", first_at_a_start(), [])


def test_a_taint_that_the_operator_does_not_tolerate_keeps_its_parts_out():
    """NVIDIA's DaemonSets tolerate nvidia.com/gpu:NoSchedule and no taint of ours."""
    node = "l4-6"
    cluster.kubectl("taint", "node", node, "nvidia.com/gpu=present:NoSchedule")
    before = restart_parts(node)
    eventually("a new plugin", lambda: len(plugin_pods(node)) == 1 and plugin_pods(node) != before)
    cluster.kubectl("taint", "node", node, "sharing.slicewright.io/pool=x:NoSchedule")
    restart_parts(node)
    eventually("with our taint", lambda: allocatable(node, "nvidia.com/gpu"), 0)
    equal("plugins", plugin_pods(node), [])
    cluster.kubectl("taint", "node", node, "sharing.slicewright.io/pool-")
    eventually("without it", lambda: allocatable(node, "nvidia.com/gpu"), 4)


def test_metrics_name_the_pods():
    """dcgm-exporter serves on its pod's address; Prometheus has the same, with its own labels."""
    node = "l4-7"
    cluster.apply(cluster.pod("measured", node, "nvidia.com/gpu"))
    eventually("the pod runs", lambda: cluster.phase("measured"), "Running")
    pods = cluster.get("pods", "-n", cluster.OPERATOR_NAMESPACE, "-l", "app=nvidia-dcgm-exporter",
                       "--field-selector", f"spec.nodeName={node}")["items"]
    address = pods[0]["status"]["podIP"]
    uuid = cluster.devices("measured")[0]
    text = eventually("the exporter's line", lambda: [
        line for line in cluster.fetch(f"http://{address}:9400/metrics").splitlines()
        if line.startswith("DCGM_FI_DEV_GPU_UTIL{") and 'pod="measured"' in line])
    equal("lines", len(text), 1)
    assert f'UUID="{uuid}"' in text[0] and f'hostname="{node}"' in text[0], text
    reply = json.loads(cluster.fetch(
        os.environ["SLICEWRIGHT_PROMETHEUS"] + "/api/v1/query?query="
        'DCGM_FI_DEV_GPU_UTIL%7Bexported_pod%3D%22measured%22%7D'))
    equal("series in Prometheus", len(reply["data"]["result"]), 1)
    equal("its value", f"{float(reply['data']['result'][0]['value'][1]):g}",
          f"{float(text[0].rsplit(' ', 1)[1]):g}")


if __name__ == "__main__":
    cluster.main([value for name, value in sorted(globals().items()) if name.startswith("test_")])

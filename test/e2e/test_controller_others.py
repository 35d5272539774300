#!/usr/bin/env python3
"""`slicewright controller` beside other hands: somebody's label in the middle of a change, a node that
is deleted, a cordon that is not ours, a freeze, a policy that is suspended; and with nothing to go by."""

import json
import time

import cluster
import live
import test_controller as t
from cluster import equal, eventually, get, kubectl


def owners_point():
    """The owners do what a plan told them before: they ask for shared GPUs of the pool."""
    for name in ("thumbs", "notes"):
        kubectl("patch", "deployment", name, "-n", "live", "--type=strategic", "-p", json.dumps({
            "spec": {"template": {
                "metadata": {"annotations": {"sharing.slicewright.io/original-gpus": "1"}},
                "spec": {"nodeSelector": {live.POOL: "ts-a100-80gb"}, "containers": [{
                    "name": "server", "resources": {
                        "limits": {"nvidia.com/gpu": None, "nvidia.com/gpu.shared": "1"},
                        "requests": {"nvidia.com/gpu": None, "nvidia.com/gpu.shared": "1"}}}]}}}}))


def closed(controller):
    """The nodes that are being shared and are closed for it now."""
    return [n["name"] for n in controller.get("/api/v1/nodes")["nodes"]
            if n.get("rollout", {}).get("change") == "share" and n["cordoned"]
            and n["rollout"]["step"] in ("evict", "wait-empty")]


def test_we_step_back_with_a_reason():
    """Two nodes are closed to be shared: one gets somebody's label, the other is deleted."""
    t.set_up()
    for name in ("research", "batch"):  # so that other nodes may be shared instead
        kubectl("delete", "statefulsets,jobs,pods", "-n", name, "--all")
    kubectl("cordon", "a100-0")
    kubectl("annotate", "node", "a100-1", "sharing.slicewright.io/freeze=true")
    cluster.apply(live.policy(consolidation={"mode": "observe"}))
    controller = t.start()
    try:
        eventually("leads", lambda: (controller.status() or {}).get("leads"), seconds=60)
        time.sleep(30)
        owners_point()
        taken, lost = eventually("two nodes are closed", lambda: closed(controller)[:2]
                                 if len(closed(controller)) >= 2 else None, seconds=90)
        kubectl("label", "--overwrite", "node", taken, f"{live.PLUGIN_CONFIG}=by-hand")
        kubectl("delete", "node", lost)
        turned = eventually("we step back", lambda: next((
            d for d in controller.decisions(node=taken)
            if d["verdict"] in ("undone", "abandoned")), None), seconds=120)
        print(f"# {turned['verdict']}, {turned['reason']}: {turned['text']}")
        eventually("all pods run elsewhere", lambda: len(t.running("thumbs")) == 24
                   and len(t.running("notes")) == 16, seconds=240)
        node = get("node", taken)
        equal("their label", node["metadata"]["labels"][live.PLUGIN_CONFIG], "by-hand")
        equal("opened again", node["spec"].get("unschedulable", False), False)
        equal("their cordon", get("node", "a100-0")["spec"].get("unschedulable"), True)
        for name in ("a100-0", "a100-1"):
            equal(f"marks on {name}", name in t.marked(), False)
        equal("violations", controller.status()["violations"], 0)
    except AssertionError:
        print("# " + controller.tail(60).replace("\n", "\n# "))
        raise
    finally:
        controller.stop()


def records_of_holds():
    """The nodes that are closed to new pods by us, at rest."""
    return {n["metadata"]["name"] for n in get("nodes")["items"]
            if '"state":"hold"' in n["metadata"].get("annotations", {}).get(live.ROLLOUT, "")}


def test_nothing_known_leaves_nodes_as_they_are():
    """A leader without what was learned and without readings: while pods come and go no shared node is
    closed or opened, and it says why."""
    for name in get("configmaps", "-n", "slicewright")["items"]:
        if name["metadata"]["name"].startswith("slicewright-history-"):
            kubectl("patch", "configmap", "-n", "slicewright", name["metadata"]["name"], "--type=merge",
                    "-p", '{"data": null, "binaryData": null}')
    controller = t.start("--metrics", "none")
    try:
        eventually("leads", lambda: (controller.status() or {}).get("leads"), seconds=60)
        told = eventually("it says so", lambda: [
            d for d in controller.decisions() if d["verdict"] == "refused"
            and d["change"] in ("hold", "release")])
        equal("why: " + told[0]["text"], told[0]["reason"], "guard-stale-metrics")
        equal("nodes that it says so of", {d["node"] for d in told} <= t.pooled(), True)
        held = records_of_holds()
        for count in (18, 24):
            kubectl("scale", "deployment", "-n", "live", "thumbs", f"--replicas={count}")
            eventually("pods come and go", lambda: len(t.running("thumbs")), count, seconds=120)
            time.sleep(6)  # more than a decision
        equal("closed and opened", [d["text"] for d in controller.decisions() if d["verdict"] == "begun"
                                    and d["change"] in ("hold", "release")], [])
        equal("records of holds", records_of_holds(), held)
        equal("violations", controller.status()["violations"], 0)
    except AssertionError:
        print("# " + controller.tail(60).replace("\n", "\n# "))
        raise
    finally:
        controller.stop()


def test_suspended_begins_nothing():
    """With spec.suspend nothing is begun, whatever waits."""
    kubectl("patch", "sharingpolicy", "live", "--type=merge", "-p", '{"spec":{"suspend":true}}')
    controller = t.start()
    try:
        eventually("leads", lambda: (controller.status() or {}).get("leads"), seconds=60)
        before = {n["metadata"]["name"]: n["metadata"]["labels"] for n in get("nodes")["items"]}
        kubectl("scale", "deployment", "-n", "live", "thumbs", "--replicas=80")
        time.sleep(25)
        equal("labels", {n["metadata"]["name"]: n["metadata"]["labels"]
                         for n in get("nodes")["items"]}, before)
        equal("begun", [d["text"] for d in controller.decisions() if d["verdict"] == "begun"
                        and d["node"]], [])
    finally:
        controller.stop()


if __name__ == "__main__":
    cluster.main([test_we_step_back_with_a_reason, test_nothing_known_leaves_nodes_as_they_are,
                  test_suspended_begins_nothing])

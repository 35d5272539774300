"""A player of Cluster Autoscaler's scale-down, for a cluster where no cloud takes nodes away.

It does by the rules of the real one (kubernetes/autoscaler, FAQ "How does scale-down work?"): a node
goes when for a time it had no pod that needs it. DaemonSets' pods and static ones need no node; a pod
that asks for a GPU does (the real one also moves pods of nodes that are less than half used; that is
left to the controller here), and so does one that may not be evicted: a bare one, one of kube-system
without a budget, one with data on the node's disk, one whose annotation or budget forbids it. What
else is there is evicted first. Nodes whose annotation forbids scale-down stay. Not played: groups and
their least sizes, scale-up, cordons of its own."""

import json
import threading
import time

from cluster import get, kubectl

SAFE = "cluster-autoscaler.kubernetes.io/safe-to-evict"
DISABLED = "cluster-autoscaler.kubernetes.io/scale-down-disabled"


def asks_gpu(pod):
    """True when a container asks for a resource of NVIDIA's."""
    return any(name.startswith("nvidia.com/") for c in pod["spec"]["containers"]
               for name in c.get("resources", {}).get("limits", {}))


def covering(pod, budgets):
    """The PodDisruptionBudgets over a pod."""
    labels = pod["metadata"].get("labels", {})
    return [b for b in budgets if b["metadata"]["namespace"] == pod["metadata"]["namespace"]
            and b["spec"].get("selector", {}).get("matchLabels", {}).items() <= labels.items()]


def goes_with_node(pod):
    """A DaemonSet's pod, a static one, or one that has ended."""
    owners = {o["kind"] for o in pod["metadata"].get("ownerReferences", [])}
    return bool(owners & {"DaemonSet", "Node"}) or pod["status"].get("phase") in ("Succeeded", "Failed")


def needs_node(pod, budgets):
    """Why the pod holds its node; None when it may be evicted."""
    meta, marks = pod["metadata"], pod["metadata"].get("annotations", {})
    over = covering(pod, budgets)
    local = any("hostPath" in v or v.get("emptyDir", {"medium": "Memory"}).get("medium") != "Memory"
                for v in pod["spec"].get("volumes", []))
    if asks_gpu(pod):
        return "a GPU"
    if marks.get(SAFE) == "true":
        return None
    if marks.get(SAFE) == "false":
        return "annotation"
    if not meta.get("ownerReferences"):
        return "bare"
    if meta["namespace"] == "kube-system" and not over:
        return "system"
    if local:
        return "storage"
    if any(b["status"].get("disruptionsAllowed", 0) == 0 for b in over):
        return "budget"
    return None


class Autoscaler(threading.Thread):
    """Removes nodes with GPUs that nobody needed for `unneeded` seconds."""

    def __init__(self, unneeded):
        super().__init__(daemon=True)
        self.unneeded = unneeded
        self.since = {}
        self.removed = []
        self.failure = None
        self.ended = threading.Event()

    def look(self):
        """One round."""
        budgets = get("poddisruptionbudgets", "-A")["items"]
        nodes = get("nodes", "-l", "nvidia.com/gpu.product")["items"]
        on = {}
        for pod in get("pods", "-A")["items"]:
            on.setdefault(pod["spec"].get("nodeName"), []).append(pod)
        for node in nodes:
            name = node["metadata"]["name"]
            left = [p for p in on.get(name, []) if not goes_with_node(p)]
            if node["metadata"].get("annotations", {}).get(DISABLED) == "true" or \
                    any(needs_node(p, budgets) for p in left):
                self.since.pop(name, None)
                continue
            if time.monotonic() - self.since.setdefault(name, time.monotonic()) < self.unneeded:
                continue
            for pod in left:
                meta = pod["metadata"]
                kubectl("create", "--raw", f"/api/v1/namespaces/{meta['namespace']}/pods/"
                        f"{meta['name']}/eviction", "-f", "-", stdin=json.dumps({
                            "apiVersion": "policy/v1", "kind": "Eviction",
                            "metadata": {"name": meta["name"], "namespace": meta["namespace"]}}))
            if not left:
                kubectl("delete", "node", name, "--wait=false")
                self.removed.append(name)

    def run(self):
        while not self.ended.wait(1):
            try:
                self.look()
            except RuntimeError as e:
                self.failure = str(e)

    def stop(self):
        """Ends it."""
        self.ended.set()
        self.join(timeout=60)

#!/usr/bin/env python3
"""What is shipped to deploy the controller: it renders, the API server takes it, its account can do
what the controller does and nothing more."""

import base64
import collections
import json
import os
import pathlib
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import cluster
import live
from cluster import equal, eventually, get, kubectl

KUSTOMIZE = cluster.ROOT / "deploy/kustomize"
CHART = cluster.ROOT / "deploy/helm/slicewright"
USER = "system:serviceaccount:slicewright:slicewright"
GPU_NODE = "a100-0"


def documents(text):
    """The objects of a YAML stream, by kind, namespace and name; kubectl reads the YAML."""
    rest = kubectl("create", "--dry-run=client", "--validate=false", "-o", "json", "-f", "-",
                   stdin=text).strip()
    found = {}
    while rest:
        item, end = json.JSONDecoder().raw_decode(rest)
        rest = rest[end:].strip()
        found[(item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"])] = item
    return found


def rendered(mode):
    """What kustomize makes of an overlay."""
    return kubectl("kustomize", str(KUSTOMIZE / mode))


def helm(*arguments):
    """What `helm template` makes of the chart."""
    found = subprocess.run([str(cluster.ROOT / "tools/helm"), "--check"], capture_output=True,
                           text=True, check=False)
    if found.returncode != 0:
        raise cluster.Skip(found.stderr.strip())
    done = subprocess.run([found.stdout.strip(), "template", "slicewright", str(CHART), "-n",
                           "slicewright", *arguments], capture_output=True, text=True, timeout=120,
                          check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return done.stdout


_MODE = []


def deployed(mode):
    """Applies an overlay with its CRDs, without its pods; returns the account's kubeconfig."""
    if _MODE != [mode]:
        objects = documents(rendered(mode))
        if not _MODE:
            for item in objects.values():
                if item["kind"] in ("Namespace", "CustomResourceDefinition"):
                    kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(item))
            for name in ("sharingpolicies", "sharingplans"):
                kubectl("wait", "--for=condition=Established", "--timeout=30s",
                        f"crd/{name}.sharing.slicewright.io")
        for other in ("observe", "recommend", "apply"):
            kubectl("delete", "clusterrolebinding", f"slicewright-{other}", "--ignore-not-found")
        kubectl("delete", "rolebinding", "-n", "gpu-operator", "slicewright-apply",
                "--ignore-not-found")
        wanted = [i for i in objects.values() if i["kind"] not in (
            "Namespace", "CustomResourceDefinition", "Deployment")]
        kubectl("apply", "--server-side", "--force-conflicts", "-f", "-",
                stdin="\n---\n".join(json.dumps(i) for i in wanted))
        _MODE[:] = [mode]
    return cluster.tool("kubeconfig", "--service-account", "slicewright/slicewright")


def refused(kubeconfig, method, path, body=None):
    """What the API server says against one request under the account; None when it is allowed.  Not
    by kubectl, which reads before it patches; on trial only."""
    config = json.loads(kubectl("--kubeconfig", kubeconfig, "config", "view", "--raw", "-o", "json"))
    server = config["clusters"][0]["cluster"]
    trust = ssl.create_default_context(
        cadata=base64.b64decode(server["certificate-authority-data"]).decode())
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    request = urllib.request.Request(
        server["server"] + path + ("" if method == "GET" else "?dryRun=All"), method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": "Bearer " + config["users"][0]["user"]["token"],
                 "Content-Type": kind, "User-Agent": "test"})
    try:
        with urllib.request.urlopen(request, context=trust, timeout=30):
            return None
    except urllib.error.HTTPError as error:
        return json.loads(error.read())["message"]


# -- the files -------------------------------------------------------------------------------------

def test_kustomize_renders_what_the_api_server_takes():
    """Each mode has the rules of the one before, and the pods pass the restricted standard."""
    kubectl("apply", "--server-side", "-f", str(cluster.ROOT / "deploy/crds/slicewright.yaml"))
    kubectl("apply", "-f", str(KUSTOMIZE / "base/namespace.yaml"))
    before = {}
    for mode in ("observe", "recommend", "apply"):
        text = rendered(mode)
        now = documents(text)
        equal(f"{mode} has all that was before", [k for k in before if now.get(k) != before[k]], [])
        equal(f"{mode} adds", len(now) > len(before), True)
        before = now
        kubectl("apply", "--server-side", "--dry-run=server", "--force-conflicts", "-f", "-",
                stdin=text)
    pod = before[("Deployment", "slicewright", "slicewright")]["spec"]["template"]
    pod.update({"apiVersion": "v1", "kind": "Pod"})
    pod["metadata"].update({"name": "tried", "namespace": "slicewright"})
    kubectl("apply", "-f", str(KUSTOMIZE / "base/serviceaccount.yaml"))
    kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    try:
        kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))
        raise AssertionError("the namespace takes a pod that is not restricted")
    except RuntimeError as error:
        equal(str(error), "PodSecurity" in str(error), True)


def test_the_chart_is_the_same():
    """For each mode the chart gives what kustomize gives, and takes no value that it does not know."""
    for mode in ("observe", "recommend", "apply"):
        chart = documents(helm("--set", f"mode={mode}", "--set", "createNamespace=true",
                               "--include-crds"))
        kustomize = documents(rendered(mode))
        differ = [k for k in set(chart) | set(kustomize) if chart.get(k) != kustomize.get(k)]
        equal(f"{mode}: differing objects", differ, [])
    values = ("--set", "mode=apply,replicas=3,operatorNamespace=nvidia,image=r.example/s@sha256:0,"
              "imagePullPolicy=Always,imagePullSecrets[0].name=pull",
              "--set", "arguments={--prometheus,http://p:9090}")
    deployment = documents(helm(*values, "-n", "elsewhere"))[
        ("Deployment", "elsewhere", "slicewright")]["spec"]
    container = deployment["template"]["spec"]["containers"][0]
    equal("values", (deployment["replicas"], container["image"], container["args"]),
          (3, "r.example/s@sha256:0", ["controller", "--operator-namespace", "nvidia",
                                       "--prometheus", "http://p:9090"]))
    for wrong in ("mode=force", "replicas=0", "unknown=1"):
        try:
            helm("--set", wrong)
        except RuntimeError:
            continue
        raise AssertionError(f"the chart takes {wrong}")


# -- what the account may do -----------------------------------------------------------------------

NODE = f"/api/v1/nodes/{GPU_NODE}"
MAPS = "/api/v1/namespaces/gpu-operator/configmaps"
HISTORY = "/api/v1/namespaces/slicewright/configmaps/slicewright-history"
OURS = "/apis/sharing.slicewright.io/v1alpha1"
OWN_LABELS = ("nvidia.com/device-plugin.config", "nvidia.com/mig.config",
              "sharing.slicewright.io/pool")
OWN_ANNOTATIONS = ("sharing.slicewright.io/rollout", "sharing.slicewright.io/original")


def meta(**metadata):
    """A merge patch of metadata."""
    return {"metadata": metadata}


def data(**keys):
    """A merge patch of a ConfigMap's data; `_` stands for `-`."""
    return {"data": {key.replace("_", "-"): value for key, value in keys.items()}}


def test_apply_is_enough():
    """Each write of the controller, under the role and the admission policies."""
    kubeconfig = deployed("apply")
    live.own_maps()
    plugin, mig = f"{MAPS}/{live.PLUGIN_MAP}", f"{MAPS}/{live.MIG_MAP}"
    kubectl("patch", "configmap", "-n", "gpu-operator", live.PLUGIN_MAP, "--type=merge", "-p",
            json.dumps(data(exclusive_00000000="version: v1")))
    for label, value in (("a", "x"), ("b", None)):
        del label
        change = {"metadata": {"labels": {key: value for key in OWN_LABELS},
                               "annotations": {key: value for key in OWN_ANNOTATIONS}},
                  "spec": {"unschedulable": True if value else None}}
        equal(f"node: {value}", refused(kubeconfig, "PATCH", NODE, change), None)
    for path, change in ((plugin, data(shared_x4_mig_x2_0123abcd="version: v1\n")),
                         (plugin, data(exclusive_00000000=None)),
                         (mig, {"data": {"config.yaml": "version: v1\n"}})):
        equal(f"{path} {change}", refused(kubeconfig, "PATCH", path, change), None)
    equal("reads the MIG configs", refused(kubeconfig, "GET", mig), None)
    for verb, change in (("GET", None), ("PATCH", data(history="slicewright-history 1\n")),
                         ("PATCH", data(history=None))):
        equal(f"history: {verb}", refused(kubeconfig, verb, f"{HISTORY}-7", change), None)
    plan = {"apiVersion": "sharing.slicewright.io/v1alpha1", "kind": "SharingPlan",
            "metadata": {"name": "tried"}, "spec": {"policy": "p"}}
    equal("plan", refused(kubeconfig, "POST", f"{OURS}/sharingplans", plan), None)


FORBIDDEN = {
    # the admission policies
    "a label of others": (("PATCH", NODE, meta(labels={"team": "a"})), "no other"),
    "taking a label away": (("PATCH", NODE, meta(labels={"kubernetes.io/hostname": None})),
                            "no other"),
    "a label of NVIDIA's discovery": (("PATCH", NODE, meta(labels={"nvidia.com/gpu.count": "9"})),
                                      "no other"),
    "an annotation of others": (("PATCH", NODE, meta(annotations={
        "cluster-autoscaler.kubernetes.io/scale-down-disabled": "true"})), "no other"),
    "freezing a node": (("PATCH", NODE, meta(annotations={
        "sharing.slicewright.io/freeze": "true"})), "for people"),
    "a taint": (("PATCH", NODE, {"spec": {"taints": [{"key": "a", "effect": "NoExecute"}]}}),
                "no other"),
    "a finalizer": (("PATCH", NODE, meta(finalizers=["example.com/x"])),
                    "nothing else of its spec"),
    "another key of our map": (("PATCH", f"{MAPS}/{live.PLUGIN_MAP}", data(default="x")),
                               "its own keys"),
    "taking the default away": (("PATCH", f"{MAPS}/{live.PLUGIN_MAP}", data(default=None)),
                                "its own keys"),
    "another ConfigMap": (("PATCH", f"{MAPS}/theirs", data(exclusive_00000000="x")),
                          "only ConfigMaps"),
    "history in the Operator's ConfigMap": (("PATCH", f"{MAPS}/{live.PLUGIN_MAP}",
                                             data(history="x")), "its own keys"),
    "another key of the history": (("PATCH", f"{HISTORY}-0", data(exclusive_00000000="x")),
                                   "its own keys"),
    "labels of the history": (("PATCH", f"{HISTORY}-0", meta(labels={"a": "b"})), "nothing else"),
    "a history that was not deployed": (("PATCH", f"{HISTORY}-8", data(history="x")),
                                        "cannot patch"),
    "a new ConfigMap of its own": (("POST", HISTORY.rpartition("/")[0],
                                    {"metadata": {"name": "slicewright-history-8"}}),
                                   "cannot create"),
    "labels of a ConfigMap": (("PATCH", f"{MAPS}/{live.PLUGIN_MAP}", meta(labels={"a": "b"})),
                              "nothing else"),
    "a plan that is approved": (("POST", f"{OURS}/sharingplans", {
        "apiVersion": "sharing.slicewright.io/v1alpha1", "kind": "SharingPlan",
        "metadata": {"name": "x"}, "spec": {"policy": "p", "approve": "0" * 16}}), "never approve"),
    # RBAC
    "deleting a node": (("DELETE", NODE), "cannot delete"),
    "a node's status": (("PATCH", f"{NODE}/status", {"status": {"capacity": {"a": "9"}}}),
                        "cannot patch"),
    "reading one node": (("GET", NODE), "cannot get"),
    "deleting pods": (("DELETE", "/api/v1/namespaces/gpu-operator/pods"), "cannot deletecollection"),
    "reading secrets": (("GET", "/api/v1/secrets"), "cannot list"),
    "ConfigMaps elsewhere": (("GET", "/api/v1/namespaces/kube-system/configmaps"), "cannot list"),
    "a new ConfigMap": (("POST", MAPS, {"metadata": {"name": "x"}}), "cannot create"),
    "an owner's template": (("PATCH", "/apis/apps/v1/namespaces/default/deployments/x", {}),
                            "cannot patch"),
    "its own role": (("PATCH", "/apis/rbac.authorization.k8s.io/v1/clusterroles/slicewright-apply",
                      {}), "cannot patch"),
    "its own limits": (("DELETE", "/apis/admissionregistration.k8s.io/v1/"
                        "validatingadmissionpolicybindings/slicewright-nodes"), "cannot delete"),
    "a policy": (("PATCH", f"{OURS}/sharingpolicies/p", {"spec": {"suspend": False}}),
                 "cannot patch"),
    "approving a plan": (("PATCH", f"{OURS}/sharingplans/p", {"spec": {"approve": "0" * 16}}),
                         "cannot patch"),
    "somebody else's lease": (("GET", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/"
                               "kube-scheduler"), "cannot get"),
}


def test_apply_is_no_more():
    """Each thing that a thief of the token would like."""
    kubeconfig = deployed("apply")
    live.own_maps()
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "data": {},
                   "metadata": {"name": "theirs", "namespace": "gpu-operator"}})
    wrong = []
    for what, (arguments, words) in FORBIDDEN.items():
        said = refused(kubeconfig, *arguments)
        if said is None or words not in said:
            wrong.append(f"{what}: {said}")
    equal("allowed, or refused in other words", wrong, [])


def test_approval_is_for_people():
    """Where somebody gives our account more rights, the admission policies still refuse."""
    kubeconfig = deployed("apply")
    more = [{"apiGroups": ["sharing.slicewright.io"], "resources": ["sharingplans", "sharingpolicies"],
             "verbs": ["*"]}, {"apiGroups": [""], "resources": ["nodes"], "verbs": ["delete"]}]
    rbac = "rbac.authorization.k8s.io"
    cluster.apply({"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": {"name": "more"},
                   "rules": more})
    cluster.apply({"apiVersion": f"{rbac}/v1", "kind": "ClusterRoleBinding",
                   "metadata": {"name": "more"}, "roleRef": {"apiGroup": rbac, "name": "more",
                                                             "kind": "ClusterRole"},
                   "subjects": [{"kind": "ServiceAccount", "name": "slicewright",
                                 "namespace": "slicewright"}]})
    cluster.apply({"apiVersion": "sharing.slicewright.io/v1alpha1", "kind": "SharingPlan",
                   "metadata": {"name": "tried"}, "spec": {"policy": "p"}})
    approved = {"spec": {"approve": "0" * 16}}
    path = f"{OURS}/sharingplans/tried"
    try:
        eventually("the admission policy refuses", lambda: "never approve" in str(
            refused(kubeconfig, "PATCH", path, approved)))
        equal("plan", "never approve" in str(refused(kubeconfig, "DELETE", path)), True)
        equal("node", "neither creates nor deletes" in str(refused(kubeconfig, "DELETE", NODE)), True)
        kubectl("patch", "sharingplan", "tried", "--type=merge", "-p", json.dumps(approved))
    finally:
        kubectl("delete", "clusterrole,clusterrolebinding", "more")
        kubectl("delete", "sharingplan", "tried")


def test_observe_and_recommend_write_no_node():
    """Under their roles nothing of the cluster can be changed."""
    live.own_maps()
    for mode in ("observe", "recommend"):
        kubeconfig = deployed(mode)
        for arguments in (("PATCH", NODE, meta(labels={"sharing.slicewright.io/pool": "x"})),
                          ("PATCH", f"{MAPS}/{live.PLUGIN_MAP}", data(exclusive_00000000="x")),
                          ("GET", f"{MAPS}/{live.PLUGIN_MAP}")):
            eventually(f"{mode}: {arguments}", lambda arguments=arguments, kubeconfig=kubeconfig:
                       "cannot" in str(refused(kubeconfig, *arguments)))
        plan = {"apiVersion": "sharing.slicewright.io/v1alpha1", "kind": "SharingPlan",
                "metadata": {"name": "x"}, "spec": {"policy": "p"}}
        eventually(f"{mode}: plans", lambda kubeconfig=kubeconfig, plan=plan: refused(
            kubeconfig, "POST", f"{OURS}/sharingplans", plan) is None, mode == "recommend")


# -- the controller under it -----------------------------------------------------------------------

def rules_of(objects):
    """Every single right of the shipped roles: group, resource, namespace or "", verb."""
    rights = set()
    for item in objects.values():
        if item["kind"] not in ("Role", "ClusterRole"):
            continue
        for rule in item["rules"]:
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    for verb in rule["verbs"]:
                        rights.add((group, resource, item["metadata"].get("namespace", ""), verb))
    return rights


def asked(log, since):
    """What our account asked of the API server: rights as rules_of() has them, and refusals."""
    rights, no = collections.Counter(), collections.Counter()
    clusterwide = {(g, r, v) for g, r, n, v in rules_of(documents(rendered("apply"))) if n == ""}
    for line in log.read_text().splitlines()[since:]:
        event = json.loads(line)
        ref = event.get("objectRef")
        if event["user"]["username"] != USER or ref is None or \
                event.get("userAgent", "") == "test":
            continue
        resource = ref["resource"] + ("/" + ref["subresource"] if "subresource" in ref else "")
        group, verb = ref.get("apiGroup", ""), event["verb"]
        place = "" if (group, resource, verb) in clusterwide else ref.get("namespace", "")
        rights[(group, resource, place, verb)] += 1
        if event.get("responseStatus", {}).get("code") == 403:
            no[(group, resource, place, verb)] += 1
    return rights, no


# Not every run comes by: `list` is for API servers that do not stream lists, `get` of a ConfigMap for
# MIG (test_apply_is_enough), `patch` of an Event for one that comes again, of the history once an hour
# and at the end (test_history.py).
RARE = {("", "configmaps", "slicewright", "patch"),
        ("", "configmaps", "gpu-operator", "get"), ("events.k8s.io", "events", "default", "patch")}


def test_the_controller_uses_every_right_and_needs_no_other():
    """It shares nodes under the shipped role; the audit log names each right as used, none refused."""
    log = pathlib.Path(os.environ["SLICEWRIGHT_AUDIT"])
    kubeconfig = deployed("apply")
    live.own_maps()
    # These are latency-sensitive by what they do, and would hold every node of their model.
    kubectl("delete", "deployment", "-n", "serving", "--all")
    kubectl("apply", "-f", str(cluster.ROOT / "test/e2e/controller_workloads.yaml"))
    since = len(log.read_text().splitlines())
    cluster.apply(live.policy("deployed", techniques=[
        {"technique": "time-slicing", "mode": "apply"}, {"technique": "mig", "mode": "recommend"}]))
    wanted = {right for right in rules_of(documents(rendered("apply"))) if right[3] != "list"} - RARE
    one = live.Controller("--namespace", "slicewright", kubeconfig=kubeconfig)
    patched = set()

    def unused():
        for plan in get("sharingplans")["items"]:
            for step in plan.get("status", {}).get("steps", ()):
                key = json.dumps(step["subject"])
                if step["state"] == "OwnerMustAct" and "patch" in step and key not in patched:
                    subject = step["subject"]
                    patched.add(key)
                    kubectl("patch", subject["kind"].lower(), "-n", subject["namespace"],
                            subject["name"], "--type=strategic", "-p", step["patch"])
        rights, no = asked(log, since)
        equal("refused", dict(no), {})
        time.sleep(2)
        return sorted(wanted - set(rights))
    try:
        eventually("every right is used", unused, [], seconds=150)
        equal("rights beyond the role", sorted(
            set(asked(log, since)[0]) - rules_of(documents(rendered("apply")))), [])
    finally:
        one.kill()
        kubectl("delete", "sharingpolicies", "--all")


def test_the_image_needs_nothing_else():
    """What the image holds runs as its user with nothing of this machine around it."""
    if os.geteuid() != 0:
        raise cluster.Skip("chroot needs root")
    with tempfile.TemporaryDirectory() as root:
        os.chmod(root, 0o755)
        said = subprocess.run([str(cluster.ROOT / "deploy/image-root"), live.SLICEWRIGHT, root],
                              capture_output=True, text=True, check=True).stdout
        print("# " + said.splitlines()[-1], flush=True)
        done = subprocess.run(["chroot", "--userspec=65532:65532", root, "/usr/bin/slicewright",
                               "policy", "check", "balanced"], capture_output=True, text=True,
                              env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, check=False)
        equal("runs: " + done.stderr, (done.returncode, done.stdout), (0, "balanced: ok\n"))


if __name__ == "__main__":
    cluster.main([value for name, value in list(globals().items()) if name.startswith("test_")])

"""What the tests of `slicewright dra` share: objects, the shipped account, the verb under it."""

import json
import os
import subprocess

import cluster
from cluster import equal, kubectl, tool

SLICEWRIGHT = os.environ.get("SLICEWRIGHT", str(cluster.ROOT / "build/slicewright"))
GPU, MIG = "gpu.nvidia.com", "mig.nvidia.com"
API = "resource.k8s.io/v1"


def of_type(kind):
    """The selector of NVIDIA's class for a type of device."""
    return f"device.driver == '{GPU}' && device.attributes['{GPU}'].type == '{kind}'"


def device_class(name, *expressions, **more):
    """A DeviceClass."""
    return {"apiVersion": API, "kind": "DeviceClass", "metadata": {"name": name}, "spec": {
        "selectors": [{"cel": {"expression": one}} for one in expressions], **more}}


def request(name, class_name, *expressions, **more):
    """What stands under `exactly`, and with the key `name` what is one of firstAvailable."""
    exactly = {"deviceClassName": class_name, **more}
    if expressions:
        exactly["selectors"] = [{"cel": {"expression": one}} for one in expressions]
    return {"name": name, "exactly": exactly}


def claim(namespace, name, requests, constraints=(), template=False):
    """A ResourceClaim, or a template for it."""
    spec = {"devices": {"requests": requests}}
    if constraints:
        spec["devices"]["constraints"] = list(constraints)
    return {"apiVersion": API, "kind": "ResourceClaimTemplate" if template else "ResourceClaim",
            "metadata": {"namespace": namespace, "name": name},
            "spec": {"spec": spec} if template else spec}


def pod(namespace, name, claims, node=None, limits=None):
    """A pod with claims: {entry: ("resourceClaimName" or "resourceClaimTemplateName", NAME)}."""
    spec = {"resourceClaims": [{"name": entry, key: value} for entry, (key, value) in claims.items()],
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "main", "image": "registry.example/app:1", "resources": {
                "claims": [{"name": entry} for entry in claims], "limits": limits or {}}}]}
    if node is not None:
        spec["nodeSelector"] = {"kubernetes.io/hostname": node}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": namespace, "name": name},
            "spec": spec}


def create(*objects):
    """Creates objects and returns what the API server made of them."""
    out = kubectl("create", "-o", "json", "-f", "-",
                  stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))
    made = []
    while out.strip():
        one, end = json.JSONDecoder().raw_decode(out)
        made += one["items"] if one["kind"] == "List" else [one]
        out = out[end:].lstrip()
    return made


def run(*arguments, kubeconfig=None):
    """Runs a verb; returns its exit code, standard output and standard error."""
    # Options are read from variables that begin so, too.
    env = {key: value for key, value in os.environ.items() if not key.startswith("SLICEWRIGHT_")}
    if kubeconfig is not None:
        env["KUBECONFIG"] = kubeconfig
    done = subprocess.run([SLICEWRIGHT, *arguments], env=env, capture_output=True, text=True,
                          timeout=90, check=False)
    return done.returncode, done.stdout, done.stderr


def plain(value):
    """The same with the server's quantities ("25165824k") as we write them ("25165824000")."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    if list(value) == ["value"]:
        power = " kMGTPE".find(value["value"][-1])
        return {"value": value["value"][:-1] + "000" * power} if power > 0 else value
    return {key: plain(one) for key, one in value.items()}


def publish(node, model, gpus):
    """The ResourceSlices of a node with dynamic MIG; what the server keeps is what was sent."""
    code, out, err = run("dra", "slices", "--gpu", model, "--gpus", str(gpus), "--node", node)
    equal(f"exit code of dra slices: {err}", code, 0)
    sent = json.loads(out)["items"]
    for ours, theirs in zip(sent, create(*sent), strict=True):
        equal(f"slice {ours['metadata']['name']}", plain(theirs["spec"]), ours["spec"])


_account = []


def account():
    """The kubeconfig of the shipped service account."""
    if not _account:
        kubectl("apply", "-f", str(cluster.ROOT / "deploy/dra-readonly.yaml"))
        _account.append(tool("kubeconfig", "--service-account", "slicewright/dra"))
    return _account[0]


def dra(verb, *arguments):
    """A verb of `slicewright dra` on the cluster, under the shipped role: exit code and output."""
    code, out, err = run("dra", verb, *arguments, kubeconfig=account())
    if code > 1:
        raise AssertionError(f"dra {verb} {' '.join(arguments)}: {err}")
    return code, out


def predicted(*arguments):
    """What each node would give: {node: {claim: allocation}}; nodes that cannot are left out."""
    _, out = dra("allocate", "--all-nodes", *arguments)
    return {one["node"]: {c["name"]: c["allocation"] for c in one["claims"]}
            for one in json.loads(out) if one["outcome"] == "allocated"}

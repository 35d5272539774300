"""What the end-to-end tests share: the cluster they run in (test/e2e/run starts it) and TAP.

A test is a function; `main()` runs those given and prints TAP.  A test fails by an exception, most
often of `eventually()`, which asks until what it asks for is true."""

import json
import os
import pathlib
import subprocess
import sys
import time
import traceback
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAME = os.environ.get("SLICEWRIGHT_CLUSTER", "")
OPERATOR_NAMESPACE = "gpu-operator"


class Skip(Exception):
    """The test cannot run here; the text says why."""


# Of a server that stalls or starts again: the same is asked once more.
AWAY = ("etcdserver: request timed out", "TLS handshake timeout", "connection refused", "i/o timeout",
        "leader changed", "unexpected EOF")


def kubectl(*arguments, stdin=None):
    """Runs kubectl as the cluster's admin and returns what it prints.  What may be done twice is tried
    for a minute while the server is away."""
    end = time.monotonic() + (0 if arguments[0] == "create" else 60)
    while True:
        done = run_kubectl(arguments, stdin)
        if done.returncode == 0:
            return done.stdout
        if time.monotonic() > end or not any(words in done.stderr for words in AWAY):
            raise RuntimeError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        time.sleep(0.5)


def run_kubectl(arguments, stdin=None):
    """Runs kubectl once."""
    command = ["kubectl"] if os.environ.get("SLICEWRIGHT_KUBECTL") is None else \
        [os.environ["SLICEWRIGHT_KUBECTL"], "kubectl"]
    return subprocess.run([*command, *arguments], input=stdin, capture_output=True, text=True,
                          timeout=300, check=False)


def get(*arguments):
    """The object or list that kubectl gets."""
    return json.loads(kubectl("get", *arguments, "-o", "json"))


def apply(text):
    """Creates or changes what a YAML or JSON text says."""
    kubectl("apply", "-f", "-", stdin=text if isinstance(text, str) else json.dumps(text))


def label(node, **labels):
    """Sets labels under nvidia.com of a node: `_` stands for `-`, `__` for `.`; None removes one."""
    words = []
    for key, value in labels.items():
        key = "nvidia.com/" + key.replace("__", ".").replace("_", "-")
        words.append(f"{key}-" if value is None else f"{key}={value}")
    kubectl("label", "--overwrite", "node", node, *words)


def allocatable(node, resource):
    """How many of a resource a node offers; None when it does not know the name."""
    value = get("node", node)["status"]["allocatable"].get(resource)
    return None if value is None else int(value)


def node_labels(node):
    """The labels of a node."""
    return get("node", node)["metadata"]["labels"]


def states():
    """What the fake operator knows of each node."""
    return json.loads(fetch(os.environ["SLICEWRIGHT_OPERATOR"] + "/state"))


def state(node):
    """What the fake operator knows of one node."""
    return next(n for n in states() if n["node"] == node)


def fetch(url, seconds=30):
    """The text behind a URL."""
    with urllib.request.urlopen(url, timeout=seconds) as reply:
        return reply.read().decode()


# A machine that does other work besides is slower than what a limit was measured on.
PATIENCE = 4


def eventually(what, ask, wanted=True, seconds=60):
    """Asks until the answer is `wanted`, or is true where that is the wish.  Seconds: of a machine at
    rest.  Who can't be asked just now is asked again."""
    seconds *= PATIENCE
    end, told = time.monotonic() + seconds, ""
    while True:
        try:
            answer = ask()
        except (RuntimeError, OSError, subprocess.TimeoutExpired, TypeError, KeyError) as away:
            if time.monotonic() > end:
                raise
            if str(away) != told:
                told = str(away)
                print(f"# {what}: {told}", file=sys.stderr)
            time.sleep(0.5)
            continue
        if answer == wanted or (wanted is True and answer):
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"{what}: {answer!r} after {seconds} s, expected {wanted!r}")
        time.sleep(0.2)


def equal(what, answer, wanted):
    """Fails unless both are the same."""
    if answer != wanted:
        raise AssertionError(f"{what}: {answer!r}, expected {wanted!r}")


def pod(name, node, resource, count=1, **more):
    """A pod that asks for GPUs on a node."""
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "nodeSelector": {"kubernetes.io/hostname": node}, **more,
            "containers": [{
                "name": "main", "image": "registry.example/app:1",
                "resources": {"limits": {resource: str(count)}},
            }],
        },
    }


def devices(name):
    """The device ids that a pod of the default namespace was given, in order."""
    text = get("pod", name)["metadata"].get("annotations", {}).get("fake.slicewright.io/devices")
    if text is None:
        return None
    return [i for c in json.loads(text).values() for ids in c.values() for i in ids]


def phase(name):
    """The phase of a pod of the default namespace."""
    return get("pod", name)["status"]["phase"]


def tool(*arguments):
    """Runs tools/cluster on this cluster and returns what it prints."""
    verb, *rest = arguments
    done = subprocess.run([str(ROOT / "tools/cluster"), verb, NAME, *rest], capture_output=True,
                          text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"tools/cluster {verb}: {done.stderr.strip()}")
    return done.stdout.strip()


def account(name, rules):
    """A service account with a ClusterRole of these rules: the path of a kubeconfig with its token.
    Called again it changes the rules."""
    meta = {"name": name, "namespace": "default"}
    rbac = "rbac.authorization.k8s.io"
    for item in (
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
            {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": {"name": name},
             "rules": rules},
            {"apiVersion": f"{rbac}/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
             "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": name},
             "subjects": [{"kind": "ServiceAccount", **meta}]}):
        apply(item)
    return tool("kubeconfig", "--service-account", f"default/{name}")


def main(tests):
    """Runs the tests and prints TAP; exit 1 when one failed."""
    if not NAME:
        print("1..0 # SKIP no cluster: run this by test/e2e/run")
        sys.exit(77)
    failed = 0
    print(f"1..{len(tests)}")
    for number, test in enumerate(tests, 1):
        name = test.__name__.removeprefix("test_")
        try:
            test()
            print(f"ok {number} - {name}", flush=True)
        except Skip as reason:
            print(f"ok {number} - {name} # SKIP {reason}", flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print(f"not ok {number} - {name}")
            print("# " + traceback.format_exc().strip().replace("\n", "\n# "), flush=True)
    sys.exit(1 if failed else 0)

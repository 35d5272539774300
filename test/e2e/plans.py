"""What the tests of `slicewright plan` share: the verb under the shipped account, and its rows."""

import json
import os
import subprocess

import cluster
from cluster import equal, eventually, get, kubectl

SLICEWRIGHT = os.environ.get("SLICEWRIGHT", str(cluster.ROOT / "build/slicewright"))


def run(*arguments, kubeconfig=None):
    """Runs a verb; returns its exit code, standard output and standard error."""
    # The options' own variables begin so too: SLICEWRIGHT_PROMETHEUS would be --prometheus.
    env = {key: value for key, value in os.environ.items() if not key.startswith("SLICEWRIGHT_")}
    if kubeconfig is not None:
        env["KUBECONFIG"] = kubeconfig
    done = subprocess.run([SLICEWRIGHT, *arguments], env=env, capture_output=True, text=True,
                          timeout=240, check=False)
    return done.returncode, done.stdout, done.stderr


def plan(*arguments):
    """A plan as JSON, made under the shipped role."""
    code, out, err = run("plan", "-o", "json", "-q", *arguments, kubeconfig=account())
    equal("exit code of plan: " + err, code, 0)
    return json.loads(out)


_account = None


def account():
    """The kubeconfig of the shipped service account."""
    global _account  # pylint: disable=global-statement
    if _account is None:
        kubectl("apply", "-f", str(cluster.ROOT / "deploy/plan-readonly.yaml"))
        kubectl("apply", "-f", str(cluster.ROOT / "test/e2e/plan_workloads.yaml"))
        eventually("pods run", lambda: sum(
            p["status"]["phase"] == "Running" for p in get("pods", "-n", "plan")["items"]), 14)
        _account = subprocess.run(
            [str(cluster.ROOT / "tools/cluster"), "kubeconfig", cluster.NAME, "--service-account",
             "slicewright/plan"], capture_output=True, text=True, check=True).stdout.strip()
        # Its history goes back with the pods of its start.
        subprocess.run([str(cluster.ROOT / "tools/cluster"), "restart", cluster.NAME,
                        "fake-operator"], capture_output=True, check=True)
    return _account


def prometheus(hours=13):
    """The options that ask for history."""
    return "--prometheus", os.environ["SLICEWRIGHT_PROMETHEUS"], "--history", f"{hours}h"


def left(found, subject):
    """The row of what is left alone about a subject."""
    rows = [row for row in found["left_alone"] if row["subject"] == subject]
    equal(f"rows of {subject}", len(rows), 1)
    return rows[0]


def saving(found, subject):
    """The saving about a subject; None when there is none."""
    return next((row for row in found["savings"] if row["subject"] == subject), None)

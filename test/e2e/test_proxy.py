#!/usr/bin/env python3
"""`--metrics proxy` of `slicewright plan` and of the controller: readings through the API server, under the
optional role and not without it."""
# cluster: --routed

import json

import cluster
import test_controller as t
from cluster import equal, eventually, get, kubectl
from plans import account, plan, run

ROLE = cluster.ROOT / "deploy/plan-proxy.yaml"
CONTROLLER_ROLE = cluster.ROOT / "deploy/controller-proxy.yaml"


def exporters():
    """How many pods of dcgm-exporter run."""
    pods = get("pods", "-n", cluster.OPERATOR_NAMESPACE, "-l", "app=nvidia-dcgm-exporter")["items"]
    return sum(pod["status"]["phase"] == "Running" for pod in pods)


def unseen(found):
    """What the plan says of the exporters' readings; None when it misses none."""
    rows = [row for row in found["unseen"] if row["subject"] == "dcgm-exporter"]
    return rows[0]["text"] if rows else None


def test_1_without_the_role_no_reading_comes():
    """Under the read-only role alone the plan says so, with the server's words."""
    found = plan("--metrics", "proxy")
    said = unseen(found)
    count = exporters()
    assert said.startswith(f"{count} of {count} did not answer: GET /api/v1/namespaces/"), said
    assert "403 Forbidden" in said and 'cannot get resource "pods/proxy"' in said, said
    equal("used", found["now"]["gpus_used"], None)


def test_2_with_the_role_every_exporter_answers():
    """The same readings as from the pods' own addresses."""
    kubectl("apply", "-f", str(ROLE))
    found = eventually("a plan with readings", lambda: plan("--metrics", "proxy"), seconds=30)
    equal("unseen", unseen(found), None)
    assert found["now"]["gpus_used"] is not None, found["now"]
    direct = plan("--metrics", "exporters")
    equal("unseen without the proxy", unseen(direct), None)
    equal("GPUs that somebody asked for", found["now"]["gpus_requested"],
          direct["now"]["gpus_requested"])
    equal("what saves", [row["subject"] for row in found["savings"]],
          [row["subject"] for row in direct["savings"]])


def test_3_an_exporter_that_is_gone_is_missed():
    """One that does not answer costs its own readings, and is named."""
    kubectl("annotate", "node", "l4-0", "fake.slicewright.io/faults=metrics=gone")
    said = eventually("the one that is gone", lambda: unseen(plan("--metrics", "proxy")), seconds=30)
    assert said.startswith("1 of ") and "/proxy/metrics" in said, said


def test_4_the_role_is_no_wider():
    """It is the right to get pods/proxy where the exporters are, and no other."""
    for role in (ROLE, CONTROLLER_ROLE):
        documents = json.loads(kubectl("apply", "-f", str(role), "--dry-run=client", "-o", "json"))
        rules = [rule for item in documents["items"] for rule in item.get("rules", [])]
        equal("rules", rules, [{"apiGroups": [""], "resources": ["pods/proxy"], "verbs": ["get"]}])
    code, _, err = run("plan", "--metrics", "proxy", "-f", "-", kubeconfig=account())
    equal("exit code with a file", code, 2)
    assert "--file has no exporters to ask" in err, err


def test_5_the_controller_reads_by_it():
    """Under its shipped role alone no reading comes, and it says why; with the optional one all do."""
    kubectl("annotate", "node", "l4-0", "fake.slicewright.io/faults-")
    kubectl("apply", "-f", str(cluster.ROOT / "deploy/crds/slicewright.yaml"))
    kubectl("apply", "-k", str(cluster.ROOT / "deploy/kustomize/observe"))
    kubectl("delete", "deployment", "-n", "slicewright", "--all")
    controller = t.start("--metrics", "proxy", level="debug")
    try:
        eventually("leads", lambda: (controller.status() or {}).get("leads"), seconds=60)
        eventually("it says who may not", lambda: 'cannot get resource \\"pods/proxy\\"' in
                   controller.log.read_text())
        equal("read without the role", controller.status()["gpus_read"], 0)
        kubectl("apply", "-f", str(CONTROLLER_ROLE))
        gpus = sum(int(n["status"]["allocatable"].get("nvidia.com/gpu", 0)) for n in get("nodes")["items"])
        eventually("every GPU is read", lambda: controller.status()["gpus_read"], gpus)
    except AssertionError:
        print("# " + controller.tail(30).replace("\n", "\n# "))
        raise
    finally:
        equal("exit code", controller.stop(), 0)


if __name__ == "__main__":
    cluster.main([value for name, value in sorted(globals().items()) if name.startswith("test_")])

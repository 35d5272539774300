#!/usr/bin/env python3
"""What was learned outlives the controller: learned from a real Prometheus before anything is decided,
kept in the cluster under the shipped role, there again for a controller with an empty disk and no
Prometheus; and no eviction follows."""

import os
import pathlib
import signal
import subprocess
import tempfile
import time

import cluster
import live
from cluster import equal, eventually, get, kubectl
from prometheus import HOUR, Prometheus, history

MAPS = [f"slicewright-history-{i}" for i in range(8)]
ACCOUNT = "system:serviceaccount:slicewright:slicewright"

FOLDER = tempfile.TemporaryDirectory(prefix="slicewright-history-")  # goes with the program
TAPE = str(pathlib.Path(FOLDER.name, "tape.jsonl"))

_server = []


def setup():
    """The shipped role, work with a past, and a Prometheus that holds it."""
    if _server:
        return _server[0]
    kubectl("apply", "--server-side", "-f", str(cluster.ROOT / "deploy/crds/slicewright.yaml"))
    for name in ("sharingpolicies", "sharingplans"):
        kubectl("wait", "--for=condition=Established", "--timeout=30s",
                f"crd/{name}.sharing.slicewright.io")
    kubectl("apply", "-k", str(cluster.ROOT / "deploy/kustomize/apply"))
    # The test is the controller: the one that is deployed has no image here.
    kubectl("delete", "deployment", "-n", "slicewright", "--all")
    kubectl("apply", "-f", str(cluster.ROOT / "test/e2e/controller_workloads.yaml"))
    eventually("pods run", lambda: sum(
        p["status"].get("phase") == "Running" for p in get("pods", "-n", "live")["items"]), 40)
    # Its history goes back with the pods of its start.
    subprocess.run([str(cluster.ROOT / "tools/cluster"), "restart", cluster.NAME, "fake-operator"],
                   capture_output=True, check=True)
    server = Prometheus()
    end = int(time.time())
    server.fill(history(os.environ["SLICEWRIGHT_PROMETHEUS"], end - 8 * HOUR, end, 300))
    server.configure()
    server.start()
    live.own_maps()
    govern()
    _server.append(server)
    return server


def govern(**more):
    """Six hours have to be known: no controller of this test lives for so long."""
    cluster.apply(live.policy("live", **{"history": {"minimum": "6h", "staleAfter": "12h"}, "techniques": [
        {"technique": "time-slicing", "mode": "recommend"}, {"technique": "mig", "mode": "observe"}],
                                         **more}))


def start(*arguments):
    """A controller under the shipped role, in a pod's namespace."""
    token = cluster.tool("kubeconfig", "--service-account", "slicewright/slicewright")
    return live.Controller("--namespace", "slicewright", *arguments, kubeconfig=token)


def shared(controller):
    """The owners that it found worth sharing."""
    return {row["workload"] for row in controller.decisions()
            if row.get("change") == "owner-point" and row["verdict"] in ("proposed", "begun")}


def kept():
    """What stands in the cluster: uid -> readings."""
    found = {}
    for name in MAPS:
        text = get("configmap", "-n", "slicewright", name).get("data", {}).get("history", "")
        for line in text.splitlines()[1:]:
            words = line.split(" ")
            found[words[0]] = int(words[1])
    return found


def texts():
    """The ConfigMaps' data."""
    return [get("configmap", "-n", "slicewright", name).get("data") for name in MAPS]


def replays(tape):
    """Fails unless every decision of a recording is made again."""
    done = subprocess.run([live.SLICEWRIGHT, "replay", tape], capture_output=True, text=True,
                          timeout=240, check=False)
    equal("replay: " + done.stdout + done.stderr, done.returncode, 0)


def evictions():
    """How many evictions our account asked for."""
    log = pathlib.Path(os.environ["SLICEWRIGHT_AUDIT"]).read_text(encoding="utf-8")
    return sum('"eviction"' in line and ACCOUNT in line for line in log.splitlines())


def test_learned_from_prometheus():
    """With the history of a real Prometheus it knows at once what takes hours to be seen."""
    server = setup()
    controller = start("--prometheus", server.url, "--history", "8h", "--record", TAPE)
    try:
        eventually("it learned", lambda: "history learned" in controller.tail(1000), seconds=120)
        eventually("it finds what to share", lambda: bool(shared(controller)), seconds=120)
    finally:
        code = controller.stop()
    equal("exit code", code, 0)
    replays(TAPE)
    found = kept()
    equal(f"owners in the cluster: {len(found)}", len(found) >= 4, True)
    equal(f"readings of each: {found}", max(found.values()) > 80, True)


def test_an_empty_disk_and_no_prometheus():
    """The next one has nothing but the cluster; it knows what the one before knew, and says so again."""
    setup()
    before, said = texts(), kept()
    controller = start("--metrics", "none")
    try:
        eventually("it took it up", lambda: "history taken up" in controller.tail(1000))
        eventually("it leads", lambda: controller.metric("slicewright_steps_total") > 0)
    finally:
        code = controller.stop()
    equal("exit code", code, 0)
    equal("it knew all of it", texts(), before)
    controller = start("--record", TAPE)
    try:
        eventually("it finds what to share", lambda: bool(shared(controller)), seconds=120)
    finally:
        controller.stop()
    replays(TAPE)
    equal("the recording holds it", '"kind":"history"' in pathlib.Path(TAPE).read_text(), True)
    more = kept()
    equal("and learned on", [uid for uid in said if more.get(uid, 0) < said[uid]], [])
    equal("evictions", evictions(), 0)


def test_a_policy_that_changes_while_it_learns():
    """What is learned is judged by the policy that governed at the begin, though that one is gone."""
    server = setup()
    server.process.send_signal(signal.SIGSTOP)
    controller = start("--prometheus", server.url, "--history", "8h")
    try:
        eventually("it leads", lambda: "msg=leading" in controller.tail(1000))
        time.sleep(1)  # it has asked
        for hours in (2, 3):
            govern(maintenance={"windows": [{"cron": f"0 {hour} * * *", "duration": "1h"}
                                            for hour in range(0, 24, hours)]})
            time.sleep(1)
        server.process.send_signal(signal.SIGCONT)
        eventually("it learned", lambda: "history learned" in controller.tail(1000), seconds=120)
        eventually("it decides", lambda: controller.metric("slicewright_steps_total") > 0)
    finally:
        server.process.send_signal(signal.SIGCONT)
        code = controller.stop()
        govern()
    equal("exit code", code, 0)


def test_damage_is_left_out():
    """A shard that somebody wrote into is said, left out, and written anew."""
    setup()
    for i, text in enumerate(("no history", "slicewright-history 1\nx y z\n")):
        kubectl("patch", "configmap", "-n", "slicewright", MAPS[i], "--type=merge", "-p",
                '{"data":{"history":' + repr(text).replace("'", '"') + "}}")
    controller = start()
    try:
        eventually("it said so", lambda: controller.tail(1000).count("history not understood"), 2)
        eventually("it reads", lambda: controller.metric("slicewright_readings_total") > 0)
        eventually("it decides", lambda: controller.metric("slicewright_steps_total") > 0)
        time.sleep(3)
    finally:
        controller.stop()
    for name in MAPS:
        text = get("configmap", "-n", "slicewright", name)["data"]["history"]
        equal(name, text.splitlines()[0], "slicewright-history 1")


def test_without_the_maps():
    """Nothing is kept where nothing was deployed; that is said once, and all else goes on."""
    setup()
    kubectl("delete", "configmap", "-n", "slicewright", *MAPS)
    controller = start()
    try:
        eventually("it reads", lambda: controller.metric("slicewright_readings_total") > 0)
        eventually("said", lambda: controller.tail(1000).count("history is not kept in the cluster"), 1)
    finally:
        equal("exit code", controller.stop(), 0)
    _server[0].stop()


if __name__ == "__main__":
    cluster.main([value for name, value in list(globals().items()) if name.startswith("test_")])

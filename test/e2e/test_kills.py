#!/usr/bin/env python3
"""Two controllers, one killed in the middle of an action again and again: what the API server's audit
log then may not show (audit.py), and that all that was begun ends.

SLICEWRIGHT_E2E_KILLS (default 5) says how often, SLICEWRIGHT_E2E_SEED (default 1) draws another run.
Budgets bind: four nodes at once, and evictions per hour that begin with a few and grow by a few with each
kill. The first controller finds a Lease of one that led for an hour and evicted nobody: without it, each
pod that is younger than an hour would count as evicted. A node's GPUs count as free half a minute after it was seen closed and empty, by each
leader anew: so long nothing may be done."""

import collections
import datetime
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.error

import audit
import cluster
import live
import test_controller as t
from cluster import equal, eventually, get, kubectl
from test_taints import POOL_TAINT, tolerate

KILLS = int(os.environ.get("SLICEWRIGHT_E2E_KILLS", "5"))
SEED = int(os.environ.get("SLICEWRIGHT_E2E_SEED", "1"))
LOG = os.environ.get("SLICEWRIGHT_AUDIT", "")
NODES = 4         # maxNodesInChange
MORE = (0, 1, 2)  # what a kill adds to maxEvictionsPerHour
FEW = 4           # maxEvictionsPerHour at the begin
STUCK = 4         # what a kill adds that finds nothing being done
API_EVERY = 8   # kills between two crashes of the API server
OPEN = 8        # A100 nodes that are left open to us
OURS = [f"a100-{i}" for i in range(OPEN)]
ASKED = re.compile(r'ts=(\S+) .*msg=asked action=(\S+) subject=("[^"]*"|\S*) level=("[^"]*"|\S*)')
ANSWERED = re.compile(r'level=info area=act msg=(\S+) subject=("[^"]*"|\S*)')
HELD_UP = re.compile(r" msg=refused .*reason=(guard-budget-[a-z]+) ")
KINDS = ("publish", "claim", "evict", "set-plugin", "set-pool", "taint", "release")
FAULTS = "fake.slicewright.io/faults"
START = 1_800_000_000  # of planted logs, seconds since the epoch

live.FAST = ["--decide-every", "2s", "--propagation", "6s", "--metrics-every", "2s", "--lease", "4s"]


def kind_of(action, level):
    """The step that a line `asked` is of."""
    if action in ("config-put", "config-delete"):
        return "publish" if action == "config-put" else "collect"
    if action == "pod-evict":
        return "evict"
    if "-taint" in level:
        return "taint"
    if "plugin-config" in level:
        return "set-plugin"
    if "pool" in level:
        return "set-pool"
    return "release" if "record-" in level or level.startswith("uncordon") else "claim"


class Mortal(live.Controller):
    """A controller that is killed, with a volume and a log that is followed."""

    def __init__(self, name, draw):
        self.name, self.draw, self.read, self.rest = name, draw, 0, b""
        self.volume = pathlib.Path(tempfile.mkdtemp(prefix=f"slicewright-{name}-"))
        self.starts, self.asked, self.kinds = 0, set(), {}
        self.asked_at = []  # (when, node)
        self.held_up = collections.Counter()
        token = cluster.tool("kubeconfig", "--service-account", "slicewright/slicewright")
        super().__init__("--identity", name, kubeconfig=token, level="debug")

    def start(self):
        """Starts it as another one in the Lease, on its volume."""
        self.starts += 1
        fixed = self.arguments[:self.arguments.index("--identity")]
        self.arguments = [*fixed, "--identity", f"{self.name}-{self.starts}",
                          "--record", str(self.volume / f"{self.starts}.jsonl")]
        super().start()

    def lose_volume(self):
        """What it kept is gone."""
        shutil.rmtree(self.volume)
        self.volume.mkdir()

    def events(self):
        """What its log tells that was not read yet: (kind, "asked" or "answered")."""
        with open(self.log, "rb") as log:
            log.seek(self.read)
            text = log.read()
        self.read += len(text)
        *lines, self.rest = (self.rest + text).split(b"\n")
        found = []
        for line in lines:
            line = line.decode()
            self.held_up.update(HELD_UP.findall(line))
            if match := ASKED.search(line):
                at, action, subject, level = (word.strip('"') for word in match.groups())
                self.asked.add((action, subject, level))
                self.asked_at.append((audit.seconds(at), subject.removeprefix("node ")))
                self.kinds[action, subject] = kind_of(action, level)
                found.append((self.kinds[action, subject], "asked"))
            elif match := ANSWERED.search(line):
                key = tuple(word.strip('"') for word in match.groups())
                if key in self.kinds:
                    found.append((self.kinds[key], "answered"))
        return found

    def pause(self, seconds):
        """Stops it for longer than its Lease lasts; then it goes on as if nothing had been."""
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.process.send_signal(signal.SIGCONT)


class Demand(threading.Thread):
    """Work that swings between whole and shared GPUs, policies and kubelets that change, until told to
    stop: there is always more to change than may be at once."""

    def __init__(self, seed):
        super().__init__(daemon=True)
        self.draw, self.ended, self.failed = random.Random(seed), threading.Event(), 0
        self.policy = threading.Lock()
        self.replicas, self.limits = 4, []
        self.shared = False
        self.allow(FEW)

    def allow(self, more):
        """Raises the limit of evictions an hour.  It counts from before it is told, so that nobody can
        use it earlier."""
        with self.policy:
            self.limits.append((time.time(), (self.limits[-1][1] if self.limits else 0) + more))
            self.govern()

    def govern(self):
        """Applies the policy as it is now."""
        try:
            cluster.apply(rules(self.replicas, self.limits[-1][1]))
        except RuntimeError:
            self.failed += 1  # the API server is away; the next change brings it

    def run(self):
        number = 0
        while not self.ended.wait(self.draw.uniform(1, 3)):
            number += 1
            try:
                self.change(number)
            except RuntimeError:
                self.failed += 1

    def change(self, number):
        """One change: of demand, of replicas, of a kubelet's lag."""
        draw = self.draw
        if number % 24 == 1:
            self.shared = not self.shared
            for name, few, many in (("chat", (0,), (32, 40)), ("thumbs", (40,), (48, 64)),
                                    ("notes", (24,), (32,))):
                kubectl("scale", "deployment", "-n", "live", name, "--replicas="
                        f"{draw.choice(many if self.shared == (name != 'chat') else few)}")
        elif number % 4 == 3:
            lag = draw.choice((None, "20s", "60s", "120s", "300s"))  # by twenty
            kubectl("annotate", "--overwrite", "node", draw.choice(OURS),
                    f"{FAULTS}-" if lag is None else f"{FAULTS}=config-lag={lag}")
        elif number % 4 == 0:
            with self.policy:
                self.replicas = draw.choice((2, 3, 4, 5, 6, 8))
                self.govern()

    def stop(self):
        """Ends it, and makes kubelets quick again."""
        self.ended.set()
        self.join()
        kubectl("annotate", "node", *OURS, f"{FAULTS}-")


def rules(replicas=4, per_hour=4000, **more):
    """The policy, with budgets that are small enough to be missed."""
    spec = {"timeSlicing": {"maxReplicas": replicas}, "consolidation": {"mode": "observe"},
            "history": {"minimum": "4s", "staleAfter": "1m"}, "dwell": {"node": "4s", "owner": "4s"},
            "disruption": {"maxNodesInChange": NODES, "maxEvictionsPerHour": per_hour,
                           "maxMovesPerPodPerDay": 100, "drainTimeout": "2m"},
            "taints": {"pools": True}}
    return live.policy(**{**spec, **more})


def owners_point():
    """The owners ask for shared GPUs of the pool, as a plan told them, and begin anew; pods take some
    seconds to end, so that a new leader meets those that the old one evicted."""
    for name in ("thumbs", "notes"):
        kubectl("scale", "deployment", "-n", "live", name, "--replicas=0")
        kubectl("patch", "deployment", name, "-n", "live", "--type=strategic", "-p", json.dumps({
            "spec": {"template": {
                "metadata": {"annotations": {"sharing.slicewright.io/original-gpus": "1",
                                             "fake.slicewright.io/stop-after": "4s"}},
                "spec": {"nodeSelector": {live.POOL: "ts-a100-80gb"},
                         "tolerations": [{"key": POOL_TAINT, "operator": "Exists"}], "containers": [{
                    "name": "server", "resources": {
                        "limits": {"nvidia.com/gpu": None, "nvidia.com/gpu.shared": "1"},
                        "requests": {"nvidia.com/gpu": None, "nvidia.com/gpu.shared": "1"}}}]}}}}))


def set_up():
    """Eight nodes are ours to change; the others are closed by somebody, and one key and one taint are
    somebody's."""
    t.set_up()
    # A pod of it on each node, which nobody may move, would keep them all as they are.
    kubectl("delete", "statefulset", "-n", "research", "notebook")
    tolerate(POOL_TAINT)
    kubectl("taint", "node", *OURS[::2], "example.com/maintenance=soon:PreferNoSchedule")
    for node in get("nodes", "-l", "nvidia.com/gpu.product=NVIDIA-A100-SXM4-80GB")["items"]:
        if node["metadata"]["name"] not in OURS:
            kubectl("cordon", node["metadata"]["name"])
    kubectl("patch", "configmap", live.PLUGIN_MAP, "-n", cluster.OPERATOR_NAMESPACE, "--type=merge",
            "-p", json.dumps({"data": {"by-hand": "version: v1\n"}}))
    cluster.apply(t.LATENCY_SENSITIVE)
    owners_point()
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    cluster.apply({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {
        "name": "slicewright", "namespace": "slicewright", "annotations": {audit.EVICTIONS: "3600:0"}},
        "spec": {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": now}})


def foreign():
    """What is not ours: it is the same before and after."""
    nodes = {}
    for node in get("nodes")["items"]:
        name, spec = node["metadata"]["name"], node["spec"]
        # What node-lifecycle says of a node comes and goes; our taint may be on our nodes.
        taints = [taint for taint in spec.get("taints", [])
                  if not taint["key"].startswith("node.kubernetes.io/")
                  and not (name in OURS and taint["key"] == POOL_TAINT)]
        nodes[name] = taints, name not in OURS and spec.get("unschedulable", False) and \
            live.ROLLOUT not in node["metadata"].get("annotations", {})
    maps = {m["metadata"]["name"]: {
        k: v for k, v in m.get("data", {}).items()
        if m["metadata"]["name"] not in audit.OUR_KEYS
        or not audit.OUR_KEYS[m["metadata"]["name"]].match(k)}
            for m in get("configmaps", "-n", cluster.OPERATOR_NAMESPACE)["items"]}
    return nodes, maps


class Killer:
    """Follows two controllers and kills the one that acts."""

    def __init__(self, pair, draw):
        self.pair, self.draw = pair, draw
        self.hit = collections.Counter()
        self.at_actions, self.acted = 0, False
        self.crashes = []  # of the API server: (begin, end)
        self.manner = collections.Counter()

    def target(self):
        """The step and phase that was hit least; late ones take longer to come, and are wished for
        less often."""
        pairs = [(kind, phase) for kind in KINDS for phase in ("asked", "answered")]
        least = min(self.hit[pair] for pair in pairs)
        return self.draw.choice([pair for pair in pairs if self.hit[pair] == least])

    def wait(self, target, patience):
        """The first event that is the target; after `patience` seconds any; None when there is none."""
        end = time.monotonic() + patience
        while time.monotonic() < end + 45:
            for c in self.pair:
                for event in c.events():
                    if event == target or time.monotonic() > end:
                        return c, event
            time.sleep(0.001)
        return None

    def kill(self, number):
        """One kill."""
        for c in self.pair:
            c.events()
        found = self.wait(self.target(), self.draw.choice((0, 0, 2, 6)))
        victim, event = found or (self.draw.choice(self.pair), ("nothing", "idle"))
        time.sleep(self.draw.choice((0, 0, 0.002, 0.01, 0.05)))
        manner = self.draw.choice(("kill",) * 8 + ("pause", "end"))
        if manner == "pause":
            victim.pause(6)
        victim.kill(signal.SIGTERM if manner == "end" else signal.SIGKILL)
        self.hit[event] += 1
        self.acted = found is not None
        self.at_actions += self.acted
        self.manner[manner] += 1
        victim.events()  # what it asked for last
        if number % 2 == 0:
            victim.lose_volume()
            self.manner["volume deleted"] += 1
        if number % API_EVERY == API_EVERY - 1:
            begin = time.time()
            cluster.tool("restart", "apiserver", "--kill")
            self.crashes.append((begin, time.time()))
            self.manner["API server killed"] += 1
        victim.start()

    def table(self):
        """What was hit, for people."""
        kinds = sorted({kind for kind, _ in self.hit})
        rows = [f"# {'step':<12}{'asked':>8}{'answered':>10}"]
        rows += [f"# {kind:<12}{self.hit[kind, 'asked'] + self.hit[kind, 'idle']:>8}"
                 f"{self.hit[kind, 'answered']:>10}" for kind in kinds]
        rows.append(f"# {self.at_actions} at actions")
        return "\n".join(rows) + "\n# " + ", ".join(
            f"{name} {count}" for name, count in sorted(self.manner.items()))


def records():
    """The records on the nodes now."""
    return {n["metadata"]["name"]: audit.record_of(
        n["metadata"].get("annotations", {}).get(live.ROLLOUT)) for n in get("nodes")["items"]}


def at_rest(pair):
    """True when a leader says that no rollout runs, and no record says so either."""
    leader = next((c for c in pair if (c.status() or {}).get("leads")), None)
    if leader is None:
        return False
    try:
        nodes = leader.get("/api/v1/nodes")["nodes"]
    except urllib.error.HTTPError:
        return False  # it has no picture of the cluster yet
    return not any("rollout" in n and n["rollout"]["change"] != "hold" for n in nodes) and \
        not any(map(audit.in_change, records().values()))


def replays(path):
    """A recording comes out the same again, and is of one that knew that others were before it: what
    they evicted counts."""
    with open(path, encoding="utf-8") as lines:
        epochs = {json.loads(text)["now"][2] for text in lines if '"now":[' in text[:200]}
    equal(f"epochs {epochs}", not epochs or min(epochs) >= 2, True)
    done = subprocess.run([live.SLICEWRIGHT, "replay", str(path)], capture_output=True, text=True,
                          timeout=300, check=False)
    equal("replay: " + done.stdout[-500:] + done.stderr[-500:], done.returncode, 0)


def end_well(pair):
    """Demand that fits: all that was begun ends.  The evictions of it are allowed."""
    kubectl("scale", "deployment", "-n", "live", "chat", "--replicas=0")
    kubectl("scale", "deployment", "-n", "live", "thumbs", "--replicas=24")
    kubectl("scale", "deployment", "-n", "live", "notes", "--replicas=16")
    eventually("all rollouts end", lambda: at_rest(pair), seconds=240)
    print(f"# {len(t.running('thumbs')) + len(t.running('notes'))} of 40 pods run")
    eventually("only held nodes are closed", closed_otherwise, {}, seconds=120)
    for c in pair:
        equal(f"violations of {c.name}", c.status()["violations"], 0)
    t.no_double_booking()


def closed_otherwise():
    """Our nodes that are closed and not held, or held and not closed: their records."""
    found = {}
    for node in get("nodes", "-l", "nvidia.com/gpu.product")["items"]:
        record = audit.record_of(node["metadata"].get("annotations", {}).get(live.ROLLOUT))
        held = record is not None and record["state"] == "hold"
        if node["metadata"]["name"] in OURS and node["spec"].get("unschedulable", False) != held:
            found[node["metadata"]["name"]] = record
    return found


def complain(pair):
    """The ends of the logs, when something went wrong."""
    for c in pair:
        lines = c.log.read_text(errors="replace").splitlines()
        kept = [line for line in lines if "level=debug" not in line or "msg=asked" in line]
        print("# " + c.name + "\n# " + "\n# ".join(kept[-60:]))


def test_killed_at_actions():
    """Kills that hit actions, half with the volume gone, the API server crashing, kubelets lagging.
    One that meets no action is made up for, up to a fourth more of them."""
    set_up()
    before, known = foreign(), records()
    begin = pathlib.Path(LOG).stat().st_size
    draw, begun = random.Random(SEED), time.monotonic()
    killer, demand = Killer([], draw), Demand(SEED)
    pair = killer.pair = [Mortal("one", draw), Mortal("two", draw)]
    try:
        eventually("one leads", lambda: any((c.status() or {}).get("leads") for c in pair),
                   seconds=60)
        demand.start()
        for number in range(KILLS + KILLS // 4):
            if killer.at_actions == KILLS:
                break
            killer.kill(number)
            demand.allow(draw.choice(MORE) if killer.acted else STUCK)
            if number % 10 == 9:
                print(f"# {number + 1} kills, {killer.at_actions} at actions, in "
                      f"{time.monotonic() - begun:.0f} s", flush=True)
        demand.stop()
        demand.allow(4000)
        end_well(pair)
        for c in pair:
            c.events()
            c.stop()
            c.events()
            replays(c.volume / f"{c.starts}.jsonl")
        writes, _ = audit.read(LOG, begin)
        print(killer.table())
        print(f"# audit: {audit.summary(writes)}; {demand.failed} changes of demand met no server")
        unlogged = audit.lost(killer.crashes, pair[0].asked_at + pair[1].asked_at)
        print(f"# {len(unlogged)} times a node was written to when the API server was killed")
        equal("faults in the audit log", audit.faults_of(
            writes, known, NODES, demand.limits, pair[0].asked | pair[1].asked, unlogged), [])
        most, held = audit.most_nodes(writes, known, unlogged), pair[0].held_up + pair[1].held_up
        print(f"# the Lease counted as many evictions as are allowed in "
              f"{audit.times_bound(writes, demand.limits)} of its writes")
        print(f"# {demand.limits[0][1]} to {demand.limits[-2][1]} evictions an hour were allowed; {most} "
              f"nodes at once; refused: {dict(held)}")
        if KILLS >= 50:
            equal("the budget of nodes bound", held["guard-budget-nodes"] > 0, True)
            equal("the budget of evictions bound",
                  audit.times_bound(writes, demand.limits) > 0, True)
        equal("what is not ours", foreign(), before)
        equal("kinds of steps that were hit", len({kind for kind, _ in killer.hit}) >= min(
            4, KILLS // 3), True)
    except AssertionError:
        complain(pair)
        raise
    finally:
        demand.ended.set()
        for c in pair:
            c.kill()


def test_nothing_moves_without_memory():
    """Killed at rest, its volume gone, no Prometheus, the load as it was: nobody has to go."""
    draw = random.Random(SEED)
    cluster.apply(rules(history={"minimum": "20s", "staleAfter": "1m"}))
    one = Mortal("alone", draw)
    try:
        eventually("leads", lambda: (one.status() or {}).get("leads"), seconds=60)
        eventually("it rests", lambda: at_rest([one]), seconds=200)
        begin, since = pathlib.Path(LOG).stat().st_size, time.monotonic()

        def quiet():
            nonlocal begin, since
            writes, begin = audit.read(LOG, begin)
            if audit.moves(writes) or not at_rest([one]):
                since = time.monotonic()
            return time.monotonic() - since > 45  # longer than a node that empties is left alone
        eventually("nothing moves for a while", quiet, seconds=200)
        one.kill()
        one.lose_volume()
        begin = pathlib.Path(LOG).stat().st_size
        one.start()
        eventually("leads", lambda: (one.status() or {}).get("leads"), seconds=60)
        steps = one.status()["steps"]
        time.sleep(130)  # more than sixty decisions, and twice what makes readings stale
        status = one.status()
        equal(f"steps were made: {status['steps'] - steps}", status["steps"] - steps >= 10, True)
        writes, _ = audit.read(LOG, begin)
        print(f"# {status['steps']} steps; audit: {audit.summary(writes) or 'no write'}")
        equal("evictions", [w.name for w in audit.evictions(writes)], [])
        equal("writes that move", [audit.level_of(w) for w in audit.moves(writes)], [])
    except AssertionError:
        complain([one])
        raise
    finally:
        one.kill()


def line(resource, name, body, code=200, at=0.0, **ref):
    """A line of an audit log."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(START + at)) + ".000000Z"
    verb = "create" if ref.get("subresource") == "eviction" else "patch"
    return json.dumps({"stage": "ResponseComplete", "verb": verb, "user": {"username": audit.USER},
                       "objectRef": {"resource": resource, "name": name, **ref},
                       "requestObject": body, "responseStatus": {"code": code},
                       "requestReceivedTimestamp": stamp, "stageTimestamp": stamp})


def evict_line(name, uid, at, code=201):
    """An eviction in an audit log."""
    return line("pods", name, {"deleteOptions": {"preconditions": {"uid": uid}}}, code, at,
                subresource="eviction", namespace="live")


def node_line(name, at, labels=None, record=None, code=200, **spec):
    """A patch of a node in an audit log; record "" takes ours away."""
    meta = {"uid": "u", "resourceVersion": "1"}
    if labels is not None:
        meta["labels"] = labels
    if record is not None:
        meta["annotations"] = {live.ROLLOUT: record or None}
    return line("nodes", name, {"metadata": meta, **({"spec": spec} if spec else {})}, code, at)


def lease_line(at, note):
    """A renewal in an audit log."""
    return line("leases", "slicewright", {"metadata": {"annotations": {audit.EVICTIONS: note}}}, at=at,
                namespace="slicewright")


def taint_line(name, at, *operations):
    """A JSON Patch of a node in an audit log: (operation, path, value) beside the preconditions."""
    return line("nodes", name, [
        *({"op": "replace", "path": f"/metadata/{key}", "value": "1"}
          for key in ("uid", "resourceVersion")),
        *({"op": op, "path": f"/spec/{path}", "value": value} for op, path, value in operations)], at=at)


def pool_taint(value, key=POOL_TAINT):
    """What sets a taint beside others."""
    return "add", "taints/-", {"key": key, "value": value, "effect": "NoSchedule"}


def test_the_audit_can_fail():
    """Each check finds what is planted for it, and nothing in a rollout as it should be."""
    setup = {"pool": "p", "plugin": "shared-x2-00000000", "mig": ""}
    record = json.dumps({"plan": "1", "state": "forward", "cordon": True, "to": setup,
                         "from": {"pool": "", "plugin": "", "mig": ""}})
    other = record.replace('"plan": "1"', '"plan": "2"')
    good = [node_line("a", 0, record=record, unschedulable=True), lease_line(0, "60:0,0:3"),
            evict_line("x", "1", 1, 429),
            evict_line("x", "1", 2), evict_line("y", "2", 3),
            node_line("a", 4, {live.PLUGIN_CONFIG: "shared-x2-00000000"}),
            node_line("a", 5, {live.POOL: "p"}), taint_line("a", 5, pool_taint("p")),
            taint_line("a", 5, ("remove", "taints/1", None)),
            node_line("a", 6, record="", unschedulable=None)]
    key = {"data": {"shared-x2-00000000": "one"}}
    planted = [
        ("evicted again", [evict_line("x", "1", 9, 404)]), ("naming its uid", [evict_line("z", "", 9)]),
        ("3 evictions within an hour", [lease_line(8, "60:0,5:3"), evict_line("z", "3", 9)]),
        ("the Lease says 2", [lease_line(8, "60:0,5:2"), evict_line("z", "3", 9)]),
        ("2 nodes in change", [node_line("a", 9, record=record), node_line("b", 9, record=record)]),
        ("while 1 holds it", [node_line("a", 9, record=record), node_line("a", 10, record=other)]),
        ("without a record", [node_line("a", 9, {live.POOL: "p"})]),
        ("its record (forward) says", [node_line("a", 9, record=record),
                                       node_line("a", 10, {live.POOL: "q"})]),
        ("closed without a record", [node_line("a", 9, unschedulable=True)]),
        ("no record says that it was closed", [node_line("a", 9, unschedulable=None)]),
        ("tainted for pool q, its label is p", [taint_line("a", 9, pool_taint("q"))]),
        ("taint team:NoSchedule", [taint_line("a", 9, pool_taint("p", "team"))]),
        ("writes remove /spec/unschedulable", [taint_line("a", 9, ("remove", "unschedulable", None))]),
        ("without uid and", [line("nodes", "a", [{"op": "remove", "path": "/spec/taints/0"}], at=9)]),
        ("writes team", [node_line("a", 9, {"team": "x"})]), ("writes default", [line(
            "configmaps", live.PLUGIN_MAP, {"data": {"default": None}}, namespace="gpu-operator")]),
        ("patch of secrets", [line("secrets", "s", {})]),
        ("has two texts", [line("configmaps", live.PLUGIN_MAP, key, namespace="gpu-operator"), line(
            "configmaps", live.PLUGIN_MAP, {"data": {"shared-x2-00000000": "two"}},
            namespace="gpu-operator")])]
    with tempfile.NamedTemporaryFile("w+") as log:
        def faults(lines, unlogged=()):
            log.truncate(0)
            log.seek(0)
            log.write("\n".join(lines) + "\n")
            log.flush()
            writes, _ = audit.read(log.name)
            asked = set(map(audit.level_of, writes)) | {
                ("node-patch", "node a", f"pool-taint={pool} startup-taint-") for pool in "pq"}
            return audit.faults_of(writes, {}, 1, [(0, 2)], asked, unlogged)
        equal("in a good rollout", faults(good), [])
        for words, lines in planted:
            found = faults(good + lines)
            equal(f"{words}: found {found}", any(words in fault for fault in found), True)
        # A release that nobody heard the end of: it may have been taken.
        unheard = [node_line("a", 9, record=record, unschedulable=True),
                   node_line("a", 10, record="", unschedulable=None, code=504),
                   node_line("b", 11, record=record, unschedulable=True),
                   line("pods", "z", {}, 500, 12, subresource="eviction", namespace="live")]
        equal("what nobody heard of", faults(good + unheard), [])
        # A pool's label that was written while the API server was killed, which then logged nothing.
        crash = audit.lost([(START + 9.5, START + 12)], [(START + 9, "a"), (START + 2, "b")])
        equal("who was written to", [name for _, name in crash], ["a"])
        unlogged = [node_line("a", 9, record=record.replace('"p"', '"q"')),
                    taint_line("a", 20, pool_taint("q")), node_line("a", 21, record="")]
        equal("what was not logged", faults(good + unlogged, crash), [])
        equal("without a crash", len(faults(good + unlogged)), 1)
        faults(good)
        writes, _ = audit.read(log.name)
        equal("nodes at once", audit.most_nodes(writes, {}), 1)
        faults(good + planted[0][1])
        writes, _ = audit.read(log.name)
        equal("what nobody asked for", len(audit.never_asked(writes, set())),
              len([w for w in writes if w.resource != "leases"]))


TESTS = [test_the_audit_can_fail, test_killed_at_actions, test_nothing_moves_without_memory]

if __name__ == "__main__":
    cluster.main(TESTS)

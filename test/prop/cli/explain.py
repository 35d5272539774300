#!/usr/bin/env python3
"""Recomputes the numbers that `slicewright explain` prints from the recording alone.

The recording is read with Python's json, not with the program's reader; the cluster is rebuilt from
the raw facts, and each number is computed from its definition.  So is what MIG pools lack and what
a cut gives them: instances wanted from the pods that stood within the last day, instances had from
what nodes offer or are being cut to, the cut from the layouts that the node was told afterwards.
What the usage model makes of weeks of readings (MODEL below) is not computed a second time: for
these the test asks that a recording in another form and another process gives the same number."""

import collections
import gzip
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

BIN = os.environ["SLICEWRIGHT_BIN"]

# From the usage model (digests, joint demand, memory reserves) or from where rollouts stand, which
# no single fact shows.
MODEL = {
    "replicas", "reserve_mib", "saving_microusd_per_hour", "room_microusd_per_hour", "cost_now_microusd_per_hour",
    "conflict_ppm", "conflict_next_ppm", "memory_risk_ppm", "risk_ppm", "replicas_borne",
    "history_ns", "readings", "slots_had", "slots_free_after", "reserve_there_mib",
    "reserve_there_after_mib", "conflict_there_ppm", "reserve_here_mib", "replicas_asked", "plan",
    "conflict_allowed_ppm", "alarm_here_mib", "used_here_mib",
    "nodes_in_change", "pods_per_gpu", "share_mib", "compute_need_permille", "nodes_closed",
    "nodes_with_pods_that_stay",
}

RUNS = {
    "operator": ["--scenario", "small"],
    "native": ["--scenario", "small", "--caps", "native"],
    "default": ["--days", 1],
    # Owners that act within the hour: pools grow, shrink and are cut within a day.
    "prompt": ["--days", 1, "--owner-patch-delay", 1],
    "fitted": ["--scenario", "fitted", "--owner-patch-delay", 0],
    "dra": ["--scenario", "small", "--caps", "dra", "--owner-patch-delay", 1],
}

# What the runs must have shown at least once.
MUST = [
    ("owner-point", "memory_limit_mib"), ("owner-point", "pod_gpu_microusd_per_hour"),
    ("retire", "pods_to_move"), ("share", "slots_wanted"),
    ("share", "alone_microusd_per_hour"), ("release", "gpus_free"), ("pod-assign", "pods_on_gpu"),
    ("replicas-raise", "replicas_now"), ("unshare", "gpus_waited_for"),
    ("unshare", "fresh_node_microusd_per_hour"), ("hold", "memory_used_mib"),
    ("hold", "risk_allowed_ppm"), ("release", "risk_allowed_ppm"),
    ("pod-move", "memory_alarm_mib"), ("pod-move", "pods_on_gpu"),
    ("share", "nodes_in_change_max"),
    ("mig-relayout", "cut_microusd_per_hour"), ("mig-relayout", "instances_served"),
    ("mig-relayout", "gpus_cut"), ("mig-relayout", "apart_microusd_per_hour"),
    ("mig-relayout", "instances_missing"),
    # These are of the model (MODEL): they must be there, and the same in another process.
    ("owner-point", "pods_per_gpu"), ("owner-point", "reserve_mib"), ("hold", "risk_ppm"),
]

PENDING, RUNNING, TERMINATING, ENDED = range(4)


def usable_memory():
    """What pods can allocate on a GPU of each model, by its row in the program's table."""
    table = pathlib.Path(os.environ["SLICEWRIGHT_ROOT"], "src/model/gpu.c").read_text("utf-8")
    return [int(mib) for mib in re.findall(r"\.memory_usable_mib = (\d+)", table)]


USABLE_MIB = usable_memory()


def hold_risk():
    """The chance above which a node is closed to more pods, under a policy that accepts any."""
    source = pathlib.Path(os.environ["SLICEWRIGHT_ROOT"], "src/core/decide_hold.c")
    return int(re.search(r"HOLD_RISK_PPM = (\d+)", source.read_text("utf-8"))[1])


HOLD_RISK_PPM = hold_risk()


def mig_margin():
    """Instances cut beyond the peak, permille."""
    source = pathlib.Path(os.environ["SLICEWRIGHT_ROOT"], "src/core/decide_migpool.c")
    return int(re.search(r"MARGIN_PERMILLE = (\d+)", source.read_text("utf-8"))[1])


MIG_MARGIN_PERMILLE = mig_margin()
HALF_DAY_NS = 12 * 3600 * 10**9


class Cluster:
    """What the facts say, nothing more."""

    def __init__(self):
        self.nodes, self.pods, self.owners = {}, {}, {}
        self.samples = {}  # (node, GPU) -> the last whole-GPU reading
        self.configs = {}  # (cluster, map, key) -> text
        self.policy = ""
        self.told = {}  # workload -> when its owner was last told to change
        self.promised = {}  # step -> node -> pods assigned in it
        self.peaks = {}     # owner -> [half day, the most pods alive in it, before, before that]
        self.cuts = {}      # node -> the layouts that a cut of now gives it
        self.wall = 0       # ns, of the step

    def take(self, fact):
        """One fact of a step."""
        if isinstance(fact, list):
            _, _, _, observed, node, gpu, _, scope, _, _, _, _, memory, _ = fact[:14]
            if scope == 0:
                self.samples[node, gpu] = {"at": observed, "memory": memory}
            return
        kind = fact["kind"]
        if kind == "gone":
            for table in (self.nodes, self.pods, self.owners):
                table.pop(fact["uid"], None)
        elif kind in ("node", "pod", "owner"):
            {"node": self.nodes, "pod": self.pods, "owner": self.owners}[kind][fact["uid"]] = fact
        elif kind == "config":
            self.configs[fact.get("config_cluster", 0), fact.get("map", 0), fact["key"]] = fact
        elif kind == "policy":
            self.policy = fact["policy"]

    def setting(self, name):
        """A permille, percent or time setting of the policy, as the number of the facts."""
        value = re.search(rf"\b{name}: ([0-9.]+)([a-z%]*)", self.policy)
        number, unit = float(value[1]), value[2]
        scale = {"%": 10, "": 1, "ppm": 1, "m": 60e9, "h": 3600e9, "d": 86400e9}[unit]
        return round(number * scale)

    def named(self, table, name):
        """The live object of that name."""
        found = [o for o in table.values() if o.get("name") == name]
        return found[0] if len(found) == 1 else None

    def count_owners(self):
        """What the pods of each owner were at most, by half days."""
        alive = collections.Counter(p.get("owner") for p in self.pods.values()
                                    if p.get("phase", 0) in (PENDING, RUNNING))
        half_day = self.wall // HALF_DAY_NS
        for owner in self.owners:
            peak = self.peaks.setdefault(owner, [half_day, 0, 0, 0])
            if peak[0] != half_day:
                peak[:] = [half_day, 0, peak[1], peak[2]]
            peak[1] = max(peak[1], alive[owner])

    def mig_wanted(self, pool, cluster):
        """Instances by profile: the owners that are pointed to the pool, at their peaks."""
        want = collections.Counter()
        for uid, owner in self.owners.items():
            if owner.get("pool") == pool and owner.get("cluster", 0) == cluster:
                profile = owner["resource"].removeprefix("nvidia.com/mig-")
                want[profile] += max(*self.peaks[uid][1:], owner.get("replicas", 0))
        return want

    def mig_had(self, pool, cluster, without=None):
        """Instances by profile on the pool's nodes, and on those that are being cut for it."""
        have = collections.Counter()
        for uid, node in self.nodes.items():
            if node.get("cluster", 0) != cluster or uid == without or not node.get("ready"):
                continue
            doing = rollout_of(node)
            if doing.get("change") == "retire":
                continue
            cut = doing.get("change") == "mig-relayout" and doing["state"] == "forward"
            if cut and doing["to"]["pool"] == pool:
                have += instances(unfold(doing["to"]["layouts"]))
            elif self.cuts.get(uid, ("",))[0] == pool:
                have += instances(self.cuts[uid][1])
            elif not cut and node.get("pool") == pool:
                have += collections.Counter({
                    name.removeprefix("nvidia.com/mig-"): count
                    for name, count in node["allocatable"].items() if "/mig-" in name})
        return have

    def pods_on(self, node):
        """Pods that hold devices of a node."""
        return [p for p in self.pods.values()
                if p.get("node") == node["uid"] and p.get("phase", 0) != ENDED]

    def gpu_price(self, cluster, owner):
        """The prices of a GPU of the models that an owner may use, by its nodes there."""
        models = owner.get("gpu_models", 0)
        return {n["microusd_per_hour"] // n["gpu_count"] for n in self.nodes.values()
                if n.get("cluster", 0) == cluster
                and (models == 0 or models >> n.get("gpu", 0) & 1)}

    def pool_pods(self, pool, cluster):
        """Pods that stand or wait in a pool."""
        return [p for p in self.pods.values()
                if p.get("pool") == pool and p.get("cluster", 0) == cluster
                and p.get("phase", 0) in (PENDING, RUNNING)]

    def pool_wanted(self, pool, cluster):
        """Pods there, those that their owners still lack, and the policy's spare."""
        want = len(self.pool_pods(pool, cluster))
        for owner in self.owners.values():
            if owner.get("pool") != pool or owner.get("cluster", 0) != cluster:
                continue
            if owner.get("owner_kind", 0) not in (0, 1):
                continue
            alive = sum(p.get("owner") == owner["uid"] for p in self.pool_pods(pool, cluster))
            want += max(owner.get("replicas", 0) - alive, 0)
        return want + want * self.setting("spareSlots") // 1000

    def replicas(self, node):
        """How many pods share a GPU of the node, by what its config key says."""
        config = self.configs.get((node.get("cluster", 0), 0, node.get("plugin_config", "")))
        if config is None:
            shared = node["allocatable"].get("nvidia.com/gpu.shared", 0)
            return shared // node["gpu_count"] or 1
        found = re.search(r"replicas: *(\d+)", config["text"])
        return int(found[1]) if found else 1


def rollout_of(node):
    """What a node's annotation says of the change that it is in."""
    return json.loads(node.get("annotation") or "{}")


def unfold(layouts):
    """The layout of each GPU, of [layout, how many GPUs in a row]."""
    return [text for text, count in layouts for _ in range(count)]


def cuts_told(recording):
    """node -> (when, wall ns; layouts) of each cut that its annotation told."""
    told = collections.defaultdict(list)
    with open(recording, encoding="utf-8") as lines:
        next(lines)
        for line in lines:
            for fact in json.loads(line)["facts"]:
                if isinstance(fact, list) or "mig-relayout" not in fact.get("annotation", ""):
                    continue
                doing = rollout_of(fact)
                cut = (doing["since"], unfold(doing["to"]["layouts"]))
                if cut not in told[fact["name"]]:
                    told[fact["name"]].append(cut)
    return told


def instances(layouts):
    """How many of each profile the layouts of a node's GPUs hold."""
    return collections.Counter(name for layout in layouts for name in layout.split(",") if name)


def pool_of(text):
    """The pool that a decision is about stands in its text."""
    found = re.search(r"\b(ts[12]?-[a-z0-9-]+|mig-(?!relayout)[a-z0-9-]+)", text)
    return found[1] if found else None


def node_of(cluster, decision):
    """The node that a decision names, or on which its pod stands."""
    pod = cluster.named(cluster.pods, decision["pod"])
    return (cluster.named(cluster.nodes, decision["node"])
            or cluster.nodes.get(pod.get("node") if pod else None))


def of_memory(cluster, decision, name):
    """A share of the memory of the models that the decision may be about."""
    node = node_of(cluster, decision)
    owner = cluster.named(cluster.owners, decision["workload"]) or {}
    allowed = owner.get("gpu_models", 0)
    models = [node.get("gpu", 0)] if node else [
        row for row in range(len(USABLE_MIB)) if allowed == 0 or allowed >> row & 1]
    share = {"memory_limit_mib": 1000 - cluster.setting("headroom"), "memory_usable_mib": 1000,
             "memory_alarm_mib": cluster.setting("alarm")}[name]
    return {USABLE_MIB[model] * share // 1000 for model in models}


def of_pool(cluster, decision, node, name):
    """What a pool has and wants."""
    pool, where = pool_of(decision["text"]), node.get("cluster", 0)
    pods = cluster.pool_pods(pool, where)
    if name == "slots_wanted":
        return cluster.pool_wanted(pool, where)
    return sum("node" not in p for p in pods) if name == "pods_pending" else len(pods)


def of_node(cluster, decision, node, name):
    """What stands on a node."""
    pods = cluster.pods_on(node)
    if name in ("pods_to_move", "pods_on_node"):
        return len(pods)
    if name == "replicas_now":
        return cluster.replicas(node)
    if name == "gpus_free":
        return node["gpu_count"] - sum(p["count"] for p in pods)
    if name == "memory_used_mib":
        samples = [s for (uid, _), s in cluster.samples.items() if uid == node["uid"]]
        # 0 when no GPU is looked at (nothing is tight, or the node is closed anyway) and when the
        # reading is from too long ago.
        old = [s for s in samples if cluster.wall - s["at"] > cluster.setting("staleAfter")]
        none = decision["evidence"].get("risk_ppm") in (0, 1000000) or old or not samples
        return {s["memory"] for s in samples} | ({0} if none else set())
    if name == "pods_on_gpu":
        counts = collections.Counter(d for p in pods for d in p["devices"][::2])
        # Those of the same step stand there already for the next.
        promised = cluster.promised.setdefault(decision["step"], collections.Counter())
        promised[node["uid"]] += 1
        return {counts[gpu] + more for gpu in range(node["gpu_count"])
                for more in range(promised[node["uid"]])}
    return node["microusd_per_hour"]  # node_, fresh_node_microusd_per_hour


def of_budget(cluster, owner, name):
    """The owner's PodDisruptionBudget, and what it has used of it."""
    if name == "pods_unavailable_max":
        return owner["max_unavailable"]
    running = sum(p.get("owner") == owner["uid"] and p.get("phase", 0) == RUNNING
                  for p in cluster.pods.values())
    missing = max(owner.get("replicas", 0) - running, 0)
    return {missing, missing + 1}  # an eviction that was asked for and shows in no fact yet


def of_price(cluster, decision, node):
    """What the pods that a shared node would serve cost on nodes of their own."""
    told = decision["evidence"]
    missing = told["slots_wanted"] - told["slots_had"]
    served = min(missing, node["gpu_count"] * told["replicas"])
    return node["microusd_per_hour"] * served // node["gpu_count"]


def of_mig(cluster, decision, node, name):
    """What a MIG pool lacks, and what the layouts that the node was told give it."""
    pool = pool_of(decision["text"])
    if name == "instances_missing":
        return {sum((cluster.mig_wanted(pool, where) - cluster.mig_had(pool, where)).values())
                for where in {owner.get("cluster", 0) for owner in cluster.owners.values()}}
    layouts = decision["layouts"]
    gpus, price = sum(layout != "" for layout in layouts), node["microusd_per_hour"]
    if name == "gpus_cut":
        return gpus
    if name == "cut_microusd_per_hour":
        return price * gpus // node["gpu_count"]
    where = node.get("cluster", 0)
    want = cluster.mig_wanted(pool, where)
    for profile in want:
        want[profile] += want[profile] * MIG_MARGIN_PERMILLE // 1000
    lacks = want - cluster.mig_had(pool, where, without=node["uid"])
    served = sum((lacks & instances(layouts)).values())
    return price * served // node["gpu_count"] if name == "apart_microusd_per_hour" else served


def evidence(cluster, decision, name):
    """The number by its definition; a set where a text does not say of which GPU."""
    node = node_of(cluster, decision)
    owner = cluster.named(cluster.owners, decision["workload"])
    if name in ("memory_limit_mib", "memory_usable_mib", "memory_alarm_mib"):
        return of_memory(cluster, decision, name)
    if name in ("slots_wanted", "pods_pending", "pods_in_pool"):
        return of_pool(cluster, decision, node, name)
    if name == "pod_gpu_microusd_per_hour":
        return cluster.gpu_price(owner.get("cluster", 0), owner)
    if decision["change"] == "mig-relayout":
        return of_mig(cluster, decision, node, name)
    if name in ("pods_unavailable", "pods_unavailable_max"):
        return of_budget(cluster, owner, name)
    if name == "alone_microusd_per_hour":
        return of_price(cluster, decision, node)
    if name == "gpus_waited_for":
        waiting = re.search(r"pod of (\S+) waits", decision["text"])[1]
        return {o["gpus_per_pod"] for o in cluster.owners.values() if o["name"] == waiting}
    if name == "risk_allowed_ppm":
        return HOLD_RISK_PPM
    if name == "nodes_in_change_max":
        return cluster.setting("maxNodesInChange")
    if name == "dwell_ns":
        return cluster.setting("owner")
    if name == "since_last_ns":
        return decision["since"]
    return of_node(cluster, decision, node, name)


def run(*arguments):
    """The program's standard output."""
    done = subprocess.run([BIN, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"slicewright {' '.join(map(str, arguments))}: exit code "
                         f"{done.returncode}: {done.stderr}")
    return done.stdout


class Test:
    """Cases in the form of TAP."""

    def __init__(self):
        self.number = self.failed = 0

    def case(self, name, notes):
        """One case; it fails when there are notes."""
        self.number += 1
        self.failed += bool(notes)
        print(f"{'not ok' if notes else 'ok'} {self.number} - {name}")
        for note in notes[:10]:
            print(f"#   {note}")


def recompute(recording, decisions):
    """How often each (change, number) was right, what was not, and how often each was there."""
    right, wrong, seen = (
        collections.Counter(), collections.defaultdict(list), collections.Counter())
    by_step = collections.defaultdict(list)
    for decision in decisions:
        by_step[decision["step"]].append(decision)
    cluster = Cluster()
    cuts = cuts_told(recording)
    with open(recording, encoding="utf-8") as lines:
        next(lines)
        for line in lines:
            step = json.loads(line)
            cluster.wall = step["now"][0]
            for fact in step["facts"]:
                cluster.take(fact)
            cluster.count_owners()
            cluster.cuts = {uid: cut for uid, cut in cluster.cuts.items()
                            if uid in cluster.nodes and not rollout_of(cluster.nodes[uid])}
            for decision in by_step[step["step"]]:
                # The rollout's annotation bears the time of the decision.
                decision["layouts"] = next((layouts for since, layouts in cuts[decision["node"]]
                                            if since == cluster.wall), [])
                judge(cluster, decision, step["now"][1], right, wrong, seen)
    return right, wrong, seen


def judge(cluster, decision, mono, right, wrong, seen):
    """Compares each number of a decision that was made in this step.

    Those that carry out an earlier one repeat its numbers."""
    if decision["verdict"] not in ("begun", "refused"):
        return
    decision["since"] = mono - cluster.told.get(decision["workload"], mono)
    for name, value in decision["evidence"].items():
        key = (decision["change"], name)
        seen[key] += 1
        if name in MODEL:
            continue
        expected = evidence(cluster, decision, name)
        if value in expected if isinstance(expected, set) else value == expected:
            right[key] += 1
        else:
            wrong[key].append(f"decision {decision['decision']}: {name} {value}, the facts say "
                              f"{expected}")
    if decision["change"] == "mig-relayout" and decision["verdict"] == "begun":
        uid = node_of(cluster, decision)["uid"]
        cluster.cuts[uid] = (pool_of(decision["text"]), decision["layouts"])
    if decision["change"] == "owner-point" and decision["verdict"] == "begun":
        cluster.told[decision["workload"]] = mono


def main():
    test = Test()
    all_seen = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        for name, arguments in RUNS.items():
            plain, packed = f"{folder}/run.jsonl", f"{folder}/run.gz"
            run("simulate", "-q", *arguments, "--record", plain)
            text = run("explain", plain, "all", "--last", 100000, "-o", "json")
            right, wrong, seen = recompute(plain, json.loads(text))
            all_seen += seen
            for key in sorted(set(right) | set(wrong)):
                test.case(f"{name}: {key[0]}: {key[1]}, {right[key]} times", wrong[key])
            pathlib.Path(packed).write_bytes(gzip.compress(pathlib.Path(plain).read_bytes(), 1))
            again = run("explain", packed, "all", "--last", 100000, "-o", "json")
            test.case(f"{name}: all numbers are the same in another process",
                      [] if again == text else ["they are not"])
    missing = [f"{change}: {name}" for change, name in MUST if all_seen[change, name] == 0]
    test.case("each kind of change was there to recompute", missing)
    print(f"1..{test.number}")
    return 1 if test.failed else 0


if __name__ == "__main__":
    sys.exit(main())

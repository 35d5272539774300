"""What a controller may not have done, looked for in the API server's audit log alone.

The log has the body of each write of the accounts of namespace slicewright (the policy is in
tools/testbed/cmd/cluster/components.go).  A check takes the writes and returns a line for each fault
that it finds, so that a test fails by saying what was wrong."""

import datetime
import json
import re

import live

USER = "system:serviceaccount:slicewright:slicewright"
OUR_NAMESPACE = "slicewright"  # what it keeps there is its own
HOUR, SERVER_FAILED = 3600, 500
LABELS = {live.PLUGIN_CONFIG: "plugin", live.MIG_CONFIG: "mig", live.POOL: "pool"}
EVICTIONS = "sharing.slicewright.io/evictions"  # on the Lease
ANNOTATIONS = {live.ROLLOUT, live.ORIGINAL}
POOL_TAINT, STARTUP_TAINT = live.POOL, "sharing.slicewright.io/startup"
OUR_KEYS = {live.PLUGIN_MAP: re.compile(r"(exclusive|shared)-[a-z0-9.-]+$"),
            live.MIG_MAP: re.compile(r"config\.yaml$")}
WRITES = {("nodes", "patch"), ("configmaps", "patch"), ("pods/eviction", "create"),
          ("leases", "create"), ("leases", "update"), ("leases", "patch"),
          ("events", "create"), ("events", "patch"), ("sharingpolicies/status", "patch"),
          ("sharingplans", "create"), ("sharingplans", "patch"), ("sharingplans/status", "patch")}


class Write:
    """A write of our account, as the API server saw it."""

    def __init__(self, line):
        ref = line.get("objectRef", {})
        self.resource = ref.get("resource", "") + ("/" + ref["subresource"]
                                                   if "subresource" in ref else "")
        self.verb, self.name = line["verb"], ref.get("name", "")
        self.namespace = ref.get("namespace", "")
        body = line.get("requestObject") or {}
        self.operations = body if isinstance(body, list) else []  # a JSON Patch: of taints
        self.body = {} if self.operations else body
        self.code = line.get("responseStatus", {}).get("code", 0)
        self.taken = 200 <= self.code < 300
        self.begun = seconds(line["requestReceivedTimestamp"])
        self.ended = seconds(line["stageTimestamp"])

    def pod_uid(self):
        """The uid that an eviction is for."""
        return self.body.get("deleteOptions", {}).get("preconditions", {}).get("uid", "")

    def meta(self, part):
        """Labels or annotations that it writes."""
        return self.body.get("metadata", {}).get(part) or {}

    def taints(self):
        """The taints that it adds."""
        values = [op["value"] for op in self.operations if op["path"].startswith("/spec/taints")
                  and op["op"] == "add"]
        return [taint for value in values for taint in (value if isinstance(value, list) else [value])]

    def preconditions(self):
        """What of the node must be as it was read for the write to be taken."""
        if self.operations:
            return {op["path"].removeprefix("/metadata/") for op in self.operations
                    if op["op"] == "replace"}
        return set(self.body.get("metadata", {}))


def seconds(text):
    """Seconds since the epoch."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def read(path, begin=0):
    """The writes of our account behind the first `begin` bytes of the log, in the order of their ends,
    and how long the log is."""
    with open(path, "rb") as file:
        file.seek(begin)
        text = file.read()
    text = text[:text.rfind(b"\n") + 1]
    found = []
    for line in text.splitlines():
        if USER.encode() in line:
            event = json.loads(line)
            if event["user"]["username"] == USER and event["stage"] == "ResponseComplete" and \
                    event["verb"] not in ("get", "list", "watch"):
                found.append(Write(event))
    found.sort(key=lambda w: w.ended)
    return found, begin + len(text)


def evictions(writes):
    """The evictions among the writes."""
    return [w for w in writes if w.resource == "pods/eviction"]


def evicted_twice(writes):
    """No pod is asked to go again once the API server has said yes, and each is named by its uid."""
    faults, gone = [], {}
    for w in sorted(evictions(writes), key=lambda w: w.begun):
        uid = w.pod_uid()
        if not w.body and w.code >= SERVER_FAILED:
            continue  # who asked went before all of it was read
        if not uid:
            faults.append(f"{w.namespace}/{w.name}: evicted without naming its uid")
        elif uid in gone and w.begun >= gone[uid].ended:
            faults.append(f"{w.namespace}/{w.name}: evicted again {w.begun - gone[uid].ended:.1f} s "
                          f"after it was taken, answered {w.code}")
        if w.taken and uid not in gone:
            gone[uid] = w
    return faults


def allowed(limits, at):
    """maxEvictionsPerHour that was in force at a moment.  `limits`: (since, limit), the oldest first."""
    return [limit for since, limit in limits if since <= at][-1]


def too_many_evictions(writes, limits):
    """No hour has more evictions than maxEvictionsPerHour, as it stood when the last was asked for."""
    taken = sorted((w for w in evictions(writes) if w.taken), key=lambda w: w.begun)
    for at, last in enumerate(taken):
        count = sum(1 for w in taken[:at + 1] if w.begun > last.begun - HOUR)
        if count > allowed(limits, last.begun):
            return [f"{count} evictions within an hour, {allowed(limits, last.begun)} are allowed"]
    return []


def recorded(lease):
    """What a write of the Lease says was asked for in the hour before: (age in seconds, count)."""
    text = lease.meta("annotations").get(EVICTIONS, "")
    return [tuple(map(int, row.split(":"))) for row in text.split(",")[1:]]


def unrecorded(writes):
    """Before an eviction begins the Lease counts it, beside all that were taken in the hour before:
    so the next leader knows of it.  A row is of a minute, ages are whole seconds."""
    faults, taken, leases = [], [], []
    for w in sorted(writes, key=lambda w: w.begun):
        if w.resource == "leases" and w.taken:
            leases.append(w)
        if w.resource != "pods/eviction" or not w.taken:
            continue
        taken.append(w)
        said = [lease for lease in leases if lease.ended <= w.begun]
        count = sum(count for _, count in recorded(said[-1])) if said else 0
        least = sum(1 for other in taken if other.begun > w.begun - HOUR)
        if count < least:
            faults.append(f"{w.namespace}/{w.name}: {least} evictions within an hour, the Lease says "
                          f"{count}")
    return faults


def times_bound(writes, limits):
    """How often the Lease was written with as many evictions in it as are allowed."""
    return sum(1 for w in writes if w.resource == "leases" and w.taken and sum(
        count for _, count in recorded(w)) >= allowed(limits, w.begun))


def record_of(text):
    """The record in an annotation's text; None when there is none."""
    return json.loads(text) if text else None


def in_change(record):
    """Whether a record says that its node is being changed now."""
    return record is not None and record["state"] in ("forward", "undo", "retire")


def lost(crashes, asked):
    """When which node may have been written without a line in the log: it was asked for within five
    seconds of a crash of the API server.  `crashes`: (begin, end); `asked`: (when, node)."""
    return sorted({(begin, name) for begin, end in crashes for at, name in asked
                   if begin - 5 <= at <= end})


def with_lost(writes, unlogged, forget):
    """The writes; forget() is called with the name of a node before the first one after a write of it
    that may not be in the log."""
    unlogged = list(unlogged)
    for w in writes:
        while unlogged and unlogged[0][0] < w.ended:
            forget(unlogged.pop(0)[1])
        yield w


def walk(writes, records, unlogged=()):
    """Each taken write to a node, with the record that stood there before it.  `records`: those at the
    begin, by node; moved along.  After an answer that says nothing of what was done (the server or who
    asked was killed) and after what may not be logged (as lost() says) the node is left out until a
    record is written again, and counts as not in change."""
    unsure = set()

    def forget(name):
        unsure.add(name)
        records[name] = None

    for w in with_lost(writes, unlogged, forget):
        if w.resource == "nodes" and w.code >= SERVER_FAILED:
            unsure.add(w.name)
            if not (w.body or w.operations) or live.ROLLOUT in w.meta("annotations"):
                records[w.name] = None
        if w.resource == "nodes" and w.taken:
            if w.name not in unsure:
                yield w, records.get(w.name)
            if live.ROLLOUT in w.meta("annotations"):
                records[w.name] = record_of(w.meta("annotations")[live.ROLLOUT])
                unsure.discard(w.name)


def most_nodes(writes, records, unlogged=()):
    """The most nodes that were in change at once."""
    records, most = dict(records), 0
    for _ in walk(writes, records, unlogged):
        most = max(most, sum(map(in_change, records.values())))
    # walk() moves the records along after it gave the write out.
    return max(most, sum(map(in_change, records.values())))


def too_many_nodes(writes, limit, records, unlogged):
    """Never are more nodes in change than maxNodesInChange."""
    most = most_nodes(writes, records, unlogged)
    return [f"{most} nodes in change at once, {limit} are allowed"] if most > limit else []


def odd_levels(writes, records, unlogged):
    """Each write to a node says what the record on it says: labels are those of `to` on the way there
    and of `from` on the way back, and a cordon is lifted where the record says that it is ours."""
    faults = []
    for w, before in walk(writes, dict(records), unlogged):
        written = w.meta("annotations")
        record = record_of(written[live.ROLLOUT]) if live.ROLLOUT in written else before
        if in_change(record) and in_change(before) and record["plan"] != before["plan"]:
            faults.append(f"{w.name}: plan {record['plan']} while {before['plan']} holds it")
        if not {"uid", "resourceVersion"} <= w.preconditions():
            faults.append(f"{w.name}: written without uid and resourceVersion")
        for label, value in w.meta("labels").items():
            if before is None:
                faults.append(f"{w.name}: {label} written without a record")
                continue
            allowed = [before["from" if before["state"] == "undo" else "to"][LABELS.get(label)]]
            if live.ROLLOUT in written:  # an end that makes the label say what the node offers
                allowed = [before["from"][LABELS[label]], before["to"][LABELS[label]]]
            if (value or "") not in allowed:
                faults.append(f"{w.name}: {label}={value}, its record ({before['state']}) says "
                              f"{' or '.join(allowed)}")
        spec = w.body.get("spec", {})
        if "unschedulable" in spec and spec["unschedulable"] is None and \
                (before is None or not before["cordon"]):
            faults.append(f"{w.name}: opened though no record says that it was closed by us")
        if spec.get("unschedulable") and not in_change(record) and \
                (record is None or record["state"] != "hold"):
            faults.append(f"{w.name}: closed without a record")
    return faults


def odd_taints(writes, pools, unlogged):
    """A pool's taint has the value of the node's pool label.  `pools`: those at the begin, by node."""
    faults, pools = [], dict(pools)

    def forget(name):
        pools[name] = None  # nobody knows

    for w in with_lost(writes, unlogged, forget):
        if w.resource != "nodes":
            continue
        if w.code >= SERVER_FAILED and live.POOL in w.meta("labels"):
            forget(w.name)
        elif w.taken and live.POOL in w.meta("labels"):
            pools[w.name] = w.meta("labels")[live.POOL] or ""
        for taint in w.taints() if w.taken else []:
            pool = pools.get(w.name, "")
            if taint["key"] == POOL_TAINT and pool is not None and taint.get("value", "") != pool:
                faults.append(f"{w.name}: tainted for pool {taint.get('value')}, its label is {pool}")
    return faults


def foreign_operations(w):
    """What a JSON Patch of a node does beside adding our taints and taking taints away."""
    for op in w.operations:
        known = (op["op"] == "replace" and op["path"] in ("/metadata/uid",
                                                          "/metadata/resourceVersion")) or \
            (op["op"] == "add" and op["path"] in ("/spec/taints", "/spec/taints/-")) or \
            (op["op"] == "remove" and re.fullmatch(r"/spec/taints/\d+", op["path"]))
        if not known:
            yield f"{op['op']} {op['path']}"
    for taint in w.taints():
        if taint["key"] not in (POOL_TAINT, STARTUP_TAINT) or taint["effect"] != "NoSchedule":
            yield f"taint {taint['key']}:{taint['effect']}"


def foreign_marks(writes):
    """Nothing is written but our labels, annotations, keys and kinds."""
    faults = []
    for w in writes:
        if (w.resource, w.verb) not in WRITES and not (
                w.resource == "configmaps" and w.namespace == OUR_NAMESPACE):
            faults.append(f"{w.verb} of {w.resource} {w.name}")
        if w.resource == "nodes":
            wrong = set(w.meta("labels")) - set(LABELS) | set(w.meta("annotations")) - ANNOTATIONS | \
                set(w.body) - {"metadata", "spec"} | set(w.body.get("spec", {})) - {"unschedulable"}
            faults += [f"{w.name}: writes {key}" for key in [*sorted(wrong), *foreign_operations(w)]]
        if w.resource == "configmaps" and w.namespace != OUR_NAMESPACE:
            ours = OUR_KEYS.get(w.name)
            faults += [f"ConfigMap {w.name}: writes {key}" for key in w.body.get("data", {})
                       if ours is None or not ours.match(key)]
    return faults


def odd_keys(writes):
    """A key of the plugin's ConfigMap always has the same text: its name is a hash of it."""
    faults, texts = [], {}
    for w in writes:
        if w.resource == "configmaps" and w.name == live.PLUGIN_MAP:
            for key, text in w.body.get("data", {}).items():
                if text is not None and texts.setdefault(key, text) != text:
                    faults.append(f"key {key} has two texts")
    return faults


def level_of(w):
    """A write in the words of the controller's line `asked`: action, subject, level."""
    if w.resource == "pods/eviction":
        return "pod-evict", f"pod {w.namespace}/{w.name}", ""
    if w.resource == "configmaps":
        (key, text), = w.body["data"].items()
        return ("config-delete" if text is None else "config-put",
                f"ConfigMap {w.namespace}/{w.name}", key)
    words, spec = (["taints"] if w.operations else []), w.body.get("spec", {})
    if "unschedulable" in spec:
        words.append("cordon" if spec["unschedulable"] else "uncordon")
    for label, word in ((live.PLUGIN_CONFIG, "plugin-config"), (live.MIG_CONFIG, "mig-config"),
                        (live.POOL, "pool")):
        if label in w.meta("labels"):
            value = w.meta("labels")[label]
            words.append(f"{word}={value}" if value else f"{word}-")
    if live.ROLLOUT in w.meta("annotations"):
        words.append("record" if w.meta("annotations")[live.ROLLOUT] else "record-")
    return "node-patch", f"node {w.name}", " ".join(words)


def was_asked(w, asked):
    """Whether a line `asked` is of this write.  A JSON Patch has what changes, the line all that is
    wished of the taints."""
    if not w.operations:
        return level_of(w) in asked
    words = {"pool-taint=" + taint["value"] if taint["key"] == POOL_TAINT else "startup-taint=set"
             for taint in w.taints()}
    gone = any(op["op"] == "remove" for op in w.operations)
    for action, subject, level in asked:
        if (action, subject) == ("node-patch", f"node {w.name}") and "taint" in level and \
                words <= set(level.split()) and (words or not gone or "-taint-" in level):
            return True
    return False


def never_asked(writes, asked):
    """Each write is one that a controller's log announced, with the same level.  `asked`: the lines as
    (action, subject, level).  mig-manager's file is written whole: only that it was asked is known."""
    faults = []
    for w in writes:
        if w.resource not in ("nodes", "configmaps", "pods/eviction") or w.name == live.MIG_MAP or \
                w.namespace == OUR_NAMESPACE or (w.code >= SERVER_FAILED and not w.body):
            continue
        if not was_asked(w, asked):
            faults.append(f"no controller asked for {level_of(w)}")
    return faults


def moves(writes):
    """What makes a pod or a GPU move: evictions, cordons, labels."""
    return evictions(writes) + [w for w in writes if w.resource == "nodes" and (
        w.meta("labels") or w.body.get("spec", {}).get("unschedulable"))]


def summary(writes):
    """How many of each write were taken and refused, for people."""
    counts = {}
    for w in writes:
        if w.resource in ("nodes", "configmaps", "pods/eviction"):
            taken, refused = counts.get(w.resource, (0, 0))
            counts[w.resource] = (taken + w.taken, refused + (not w.taken))
    return ", ".join(f"{name} {taken} taken {refused} refused"
                     for name, (taken, refused) in sorted(counts.items()))


def faults_of(writes, records, nodes, limits, asked, unlogged=()):
    """All checks.  No node has a pool at the begin."""
    return evicted_twice(writes) + too_many_evictions(writes, limits) + unrecorded(writes) + \
        too_many_nodes(writes, nodes, records, unlogged) + odd_levels(writes, records, unlogged) + \
        odd_taints(writes, {}, unlogged) + foreign_marks(writes) + odd_keys(writes) + never_asked(writes, asked)

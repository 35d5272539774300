#!/usr/bin/env python3
"""SharingPolicy and SharingPlan on a real API server: what it refuses, what ctl/plans makes of them.

test/e2e/plans_follow drives the controller's part for these objects with decisions as told here."""

import json
import os
import pathlib
import queue
import subprocess
import threading
import time

import cluster
from cluster import equal, eventually, get, kubectl

SLICEWRIGHT = os.environ.get("SLICEWRIGHT", str(cluster.ROOT / "build/slicewright"))
FOLLOW = pathlib.Path(SLICEWRIGHT).parent / "test/e2e/plans_follow"
HEAD = "apiVersion: sharing.slicewright.io/v1alpha1\nkind: SharingPolicy\nmetadata: {name: p}\n"
PLAN = "p-a100-80gb"


def slicewright(*arguments, stdin=None):
    """Runs the program: exit code, standard output, standard error."""
    done = subprocess.run([SLICEWRIGHT, *arguments], input=stdin, capture_output=True, text=True,
                          timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def refused(*arguments, stdin=None):
    """What the API server says against it; None when it is taken."""
    try:
        kubectl(*arguments, stdin=stdin)
    except RuntimeError as error:
        return str(error)
    return None


_INSTALLED = []


def install():
    """Both CRDs, from the file that is shipped."""
    if _INSTALLED:
        return
    kubectl("apply", "--server-side", "-f", str(cluster.ROOT / "deploy/crds/slicewright.yaml"))
    for name in ("sharingpolicies", "sharingplans"):
        kubectl("wait", "--for=condition=Established", "--timeout=30s",
                f"crd/{name}.sharing.slicewright.io")
    _INSTALLED.append(True)


def dry_run(text):
    """The API server's verdict on a document: None, or what it says against it."""
    return refused("create", "--dry-run=server", "-f", "-",
                   stdin=text.replace("name: p}", "name: tried}"))


# -- the schema ------------------------------------------------------------------------------------

def test_presets_and_the_example_of_the_docs():
    """What we write ourselves the API server takes."""
    install()
    documents = [slicewright("policy", "show", preset)[1]
                 for preset in ("conservative", "balanced", "aggressive")]
    docs = (cluster.ROOT / "docs/POLICY.md").read_text()
    documents.append(docs.split("```yaml\n")[1].split("```")[0])
    for text in documents:
        equal(f"verdict on\n{text}", dry_run(text), None)


# key below spec, value: refused by parser and API server alike, with this part of the latter's words.
BAD = [
    ("preset: fast", "Unsupported value"),
    ("suspend: \"yes\"", "must be of type boolean"),
    ("isolation: total", "Unsupported value"),
    ("timeSlicing: {minReplicas: 1}", "greater than or equal to 2"),
    ("timeSlicing: {maxReplicas: 65}", "less than or equal to 64"),
    ("timeSlicing: {maxReplicas: 2.5}", "must be of type integer"),
    ("timeSlicing: {minReplicas: 9}", "minReplicas is above"),
    ("timeSlicing: {minReplicas: 8, maxReplicas: 4}", "minReplicas is above"),
    ("{preset: conservative, timeSlicing: {minReplicas: 5}}", "minReplicas is above"),
    ("demand: {percentile: 95}", "must be of type string"),
    ("demand: {percentile: \"95\"}", "should match"),
    ("demand: {percentile: 49%}", "50% to 100%"),
    ("demand: {percentile: 100.1%}", "50% to 100%"),
    ("demand: {targetUtilization: 0%}", "0.1% to 100%"),
    ("demand: {targetUtilization: 50.55%}", "should match"),
    ("memory: {headroom: 90.1%}", "0% to 90%"),
    ("memory: {riskPerPodHour: 100001ppm}", "0ppm to 100000ppm"),
    ("memory: {riskPerPodHour: 5%}", "should match"),
    ("history: {minimum: 91d}", "0s to 90d"),
    ("history: {minimum: 90d1ms}", "0s to 90d"),
    ("history: {staleAfter: 59s}", "1m to 7d"),
    ("history: {staleAfter: 1h1d}", "should match"),
    ("history: {staleAfter: \"\"}", "should be at least 2 chars"),
    ("dwell: {node: 30d1s}", "0s to 30d"),
    ("gain: {minimumUsdPerHour: -0.1}", "greater than or equal to 0"),
    ("gain: {minimumUsdPerHour: 1000.5}", "less than or equal to 1000"),
    ("gain: {minimumUsdPerHour: \"0.5\"}", "must be of type number"),
    ("disruption: {maxNodesInChange: 0}", "greater than or equal to 1"),
    ("disruption: {drainTimeout: 25h}", "1m to 1d"),
    ("techniques: [{technique: mps, mode: apply}]", "Unsupported value"),
    ("techniques: [{technique: mig}]", "Required value"),
    ("techniques: [{technique: mig, mode: on}]", "must be of type string"),
    ("techniques: [{technique: mig, mode: apply}, {technique: mig, mode: observe}]",
     "each technique once"),
    ("{latencySensitive: {treatment: mig}, techniques: [{technique: time-slicing, mode: apply}]}",
     "exclusive or one of techniques"),
    ("techniques: []", "exclusive or one of techniques"),
    ("nodeSelector: {\"a b\": c}", "label keys"),
    ("nodeSelector: {\"/x\": c}", "label keys"),
    ("nodeSelector: {a: \"b c\"}", "should match"),
    ("maintenance: {windows: [{cron: \"0 2 * *\", duration: 1h}]}", "should match"),
    ("maintenance: {windows: [{cron: \"60 2 * * *\", duration: 1h}]}", "should match"),
    ("maintenance: {windows: [{cron: \"0 2 * * foo\", duration: 1h}]}", "should match"),
    ("maintenance: {windows: [{cron: \"0 2 * * *\", duration: 25h}]}", "1m to 1d"),
    ("maintenance: {windows: [{cron: \"0 2 * * *\", duration: 90s}]}", "whole minutes"),
    ("maintenance: {windows: [{cron: \"0 2 * * *\"}]}", "Required value"),
    ("consolidation: {mode: never}", "Unsupported value"),
    ("consolidation: {enabld: true}", "unknown field"),
    ("unknown: 1", "unknown field"),
]

GOOD = [
    "{}", "preset: aggressive", "suspend: true", "isolation: instance",
    "timeSlicing: {minReplicas: 2, maxReplicas: 64}",
    "{preset: aggressive, timeSlicing: {minReplicas: 16}}",
    "demand: {percentile: 99.9%, targetUtilization: 100%}", "demand: {percentile: 99.90%}",
    "memory: {headroom: 0%, riskPerPodHour: 100000ppm, alarm: 10%}",
    "history: {minimum: 1d12h, staleAfter: 7d}", "dwell: {node: 0s, owner: 1d2h3m4s5ms}",
    "gain: {minimum: 0%, minimumUsdPerHour: 0.000001}", "gain: {minimumUsdPerHour: 1000}",
    "disruption: {maxNodesInChange: 1000, maxEvictionsPerHour: 0, drainTimeout: 24h}",
    "techniques: [{technique: mig, mode: observe}, {technique: time-slicing, mode: recommend}]",
    "{latencySensitive: {treatment: exclusive}, techniques: []}",
    "nodeSelector: {example.com/team: a, plain: \"\"}",
    "maintenance: {windows: []}",
    "maintenance: {windows: [{cron: \"*/30 1-2 1,15 jan,MAR-may sun-fri\", duration: 15m}]}",
    "maintenance: {windows: [{cron: \"05 02 * * 7\", duration: 1d}]}",
    "consolidation: {enabled: false, mode: observe, spareSlots: 1000%}",
]

# The parser refuses, the API server cannot: the condition Accepted says it.
ONLY_PARSER = [
    "gain: {minimumUsdPerHour: 0.0000001}",
    "maintenance: {windows: [{cron: \"0 5-2 * * *\", duration: 1h}]}",
    "maintenance: {windows: [{cron: \"* * * * *\", duration: 1m}]}",
    "maintenance: {windows: [{cron: \"0 2 * * *\", duration: 4h}, {cron: \"0 3 * * *\", duration: 1h}]}",
]

# The API server refuses, the parser takes: texts longer than anybody writes.
ONLY_SERVER = ["demand: {percentile: \"00000000000000000095%\"}"]


def policy(spec, name="p"):
    """A policy with this spec, a line of YAML."""
    head = HEAD.replace("name: p", f"name: {name}")
    return head + (f"spec: {spec}\n" if spec.startswith("{") else f"spec:\n  {spec}\n")


def test_parser_and_api_server_agree():
    """Each class of value, each refused with words that say what was expected."""
    install()
    wrong = []
    for text, words in BAD:
        said = dry_run(policy(text))
        if said is None or words not in said:
            wrong.append(f"{text}: API server: {said}, expected '{words}'")
        if slicewright("policy", "check", "-", stdin=policy(text))[0] != 2:
            wrong.append(f"{text}: the parser takes it")
    for text in GOOD + ONLY_PARSER:
        said = dry_run(policy(text))
        if said is not None:
            wrong.append(f"{text}: API server: {said}")
    for text in GOOD + ONLY_SERVER:
        code, _, err = slicewright("policy", "check", "-", stdin=policy(text))
        if code != 0:
            wrong.append(f"{text}: parser: {err}")
    for text in ONLY_PARSER:
        if slicewright("policy", "check", "-", stdin=policy(text))[0] != 2:
            wrong.append(f"{text}: the parser takes it")
    for text in ONLY_SERVER:
        if dry_run(policy(text)) is None:
            wrong.append(f"{text}: the API server takes it")
    equal("differences", wrong, [])


def test_a_plan_is_approved_by_its_digest_only():
    """spec.approve is empty or 16 hexadecimal digits, spec.policy never changes."""
    install()
    plan = {"apiVersion": "sharing.slicewright.io/v1alpha1", "kind": "SharingPlan",
            "metadata": {"name": "x"}, "spec": {"policy": "p"}}
    kubectl("create", "-f", "-", stdin=json.dumps(plan))
    for value, words in (("yes", "16 hexadecimal digits"), ("0123456789ABCDEF", "16 hexadecimal"),
                         ("0" * 17, "may not be more than 16")):
        said = refused("patch", "sharingplan", "x", "--type=merge", "-p",
                       json.dumps({"spec": {"approve": value}}))
        equal(f"{value}: {said}", said is not None and words in said, True)
    kubectl("patch", "sharingplan", "x", "--type=merge", "-p", '{"spec":{"approve":""}}')
    said = refused("patch", "sharingplan", "x", "--type=merge", "-p", '{"spec":{"policy":"q"}}')
    equal(said, said is not None and "never changes" in said, True)
    kubectl("delete", "sharingplan", "x")


# -- the controller's part -------------------------------------------------------------------------

class Follower:
    """A running plans_follow."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen([str(FOLLOW), *arguments], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        text=True, bufsize=1)
        self.lines = queue.Queue()
        self.seen = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))

    def say(self, *commands):
        """Sends commands."""
        for one in commands:
            self.process.stdin.write(one + "\n")
        self.process.stdin.flush()

    def all(self):
        """Every line until now."""
        while not self.lines.empty():
            self.seen.append(self.lines.get())
        return self.seen

    def wait(self, start):
        """Waits for a line that starts so, and returns it."""
        return eventually(f"line {start}", lambda: next(
            (line for line in self.all() if line.startswith(start)), None), seconds=30)

    def end(self, kill=False):
        """Ends it, kindly or not."""
        if kill:
            self.process.kill()
        else:
            self.process.stdin.close()
        self.process.wait(timeout=20)
        if not kill:
            equal("exit code of plans_follow", self.process.returncode, 0)


def started(*arguments):
    """A follower that leads under the policy `p`."""
    if not FOLLOW.exists():
        raise cluster.Skip(f"{FOLLOW} is not built")
    install()
    kubectl("delete", "sharingplans,sharingpolicies", "--all")
    kubectl("apply", "-f", "-", stdin=policy("preset: balanced"))
    f = Follower(*arguments)
    f.wait("policies complete")
    f.say("lead")
    return f


def status(name=PLAN):
    """The status of a plan; {} when there is none."""
    rows = [row for row in get("sharingplans")["items"] if row["metadata"]["name"] == name]
    return rows[0].get("status", {}) if rows else {}


def condition(kind, name, wanted):
    """Status and reason of a condition, and its message."""
    rows = [c for c in get(kind, name).get("status", {}).get("conditions", ())
            if c["type"] == wanted]
    return (rows[0]["status"], rows[0]["reason"]) if rows else None


def counters(follower):
    """What it said of its writes, so far."""
    return [line for line in follower.all() if line.startswith("ok ")]


def approve(digest, name=PLAN):
    """As a person does."""
    kubectl("patch", "sharingplan", name, "--type=merge", "-p",
            json.dumps({"spec": {"approve": digest}}))


def test_which_policy_governs():
    """The only one; none of several; the one that is named.  Each says so in its conditions."""
    f = started()
    f.wait("policy p")
    eventually("p governs", lambda: condition("sharingpolicy", "p", "Governing"),
               ("True", "Governs"))
    equal("accepted", condition("sharingpolicy", "p", "Accepted"), ("True", "Valid"))
    printed = kubectl("get", "sharingpolicy", "p", "-o", "yaml", "--show-managed-fields")
    equal("what kubectl prints is a policy", slicewright("policy", "check", "-", stdin=printed)[0], 0)
    kubectl("patch", "sharingpolicy", "p", "--type=merge", "-p", '{"spec":{"suspend":true}}')
    f.wait("policy p suspended")
    eventually("says suspended", lambda: condition("sharingpolicy", "p", "Governing"),
               ("True", "Suspended"))
    kubectl("apply", "-f", "-", stdin=policy("preset: aggressive", "q"))
    f.wait("no policy: there are 2 SharingPolicies")
    for name in "pq":
        eventually(f"{name} does not govern",
                   lambda name=name: condition("sharingpolicy", name, "Governing"),
                   ("False", "SeveralPolicies"))
    g = Follower("q")
    g.wait("policy q")
    g.end()
    kubectl("delete", "sharingpolicy", "p")
    f.wait("policy q")
    kubectl("apply", "-f", "-", stdin=policy(ONLY_PARSER[3], "q"))
    line = f.wait("no policy: SharingPolicy q:")
    equal(line, "overlaps" in line and "q: line" not in line, True)
    eventually("says why", lambda: condition("sharingpolicy", "q", "Accepted"),
               ("False", "Invalid"))
    eventually("does not govern", lambda: condition("sharingpolicy", "q", "Governing"),
               ("False", "Invalid"))
    f.end()


def test_propose_approve_done():
    """A plan's way from proposal to its end, with a wrong digest and a restart on it."""
    f = started()
    f.say("propose n1 101 2000000", "propose n2 102 3000000")
    eventually("proposed", lambda: status().get("stepCount"), 2)
    said = status()
    equal("phase", (said["phase"], said["savingUSDPerDay"]), ("Proposed", "120"))
    equal("steps", [(s["subject"]["name"], s["state"], s["from"], s["to"]) for s in said["steps"]],
          [("n2", "Proposed", "exclusive", "4 replicas"), ("n1", "Proposed", "exclusive",
                                                           "4 replicas")])
    old = said["digest"]
    f.say("propose n3 103 1000000")
    eventually("third", lambda: status().get("stepCount"), 3)
    approve(old)
    eventually("refused", lambda: condition("sharingplan", PLAN, "Approved"),
               ("False", "DigestChanged"))
    time.sleep(1)
    equal("nothing handed out", [x for x in f.all() if x.startswith("approved")], [])
    digest = status()["digest"]
    equal("another digest", digest != old, True)
    approve(digest)
    for step in (101, 102, 103):
        age = int(f.wait(f"approved {step} ").split()[2])
        equal(f"age of the word: {age}", 0 <= age <= 30, True)
    eventually("approved", lambda: condition("sharingplan", PLAN, "Approved"),
               ("True", "DigestApproved"))
    f.say("begun n1", "done n1", "begun n2")
    eventually("one done", lambda: (status()["phase"], status()["doneCount"],
                                    sorted(s["state"] for s in status()["steps"])),
               ("Approved", 1, ["Approved", "Begun", "Done"]))
    # Its successor knows what was agreed to, and that n1 is done.
    f.end(kill=True)
    g = Follower()
    g.wait("policies complete")
    g.say("lead")
    g.wait("approved 102 ")
    g.wait("approved 103 ")
    time.sleep(1)
    equal("n1 is done", [x for x in g.all() if x.startswith("approved 101")], [])
    g.say("propose n4 104 500000", "done n2", "failed n3")
    eventually("the next plan", lambda: (status()["phase"], [
        s["subject"]["name"] for s in status()["steps"]]), ("Proposed", ["n4"]))
    equal("the old word does not count", condition("sharingplan", PLAN, "Approved"),
          ("False", "DigestChanged"))
    g.end()


def test_owners_are_asked():
    """The step carries a patch that kubectl takes, and the line for it."""
    f = started()
    kubectl("create", "namespace", "ml")
    kubectl("-n", "ml", "apply", "-f", "-", stdin=json.dumps({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d0"},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": {
            "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{
                "name": "main", "image": "x", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}}))
    f.say("ask d0")
    eventually("asked", lambda: [s["state"] for s in status().get("steps", ())], ["OwnerMustAct"])
    step = status()["steps"][0]
    equal("to", step["to"], "nvidia.com/gpu.shared x 1, pool shared")
    equal("nothing to approve", condition("sharingplan", PLAN, "Approved"),
          ("False", "NothingToApprove"))
    kubectl("-n", "ml", "patch", "deployment", "d0", "--type=strategic", "-p", step["patch"])
    equal("command", step["command"].startswith("kubectl -n ml patch deployments d0"), True)
    limits = get("deployment", "d0", "-n", "ml")["spec"]["template"]["spec"]["containers"][0][
        "resources"]["limits"]
    equal("limits", limits, {"nvidia.com/gpu.shared": "1"})
    f.end()


def test_two_hundred_steps_and_somebody_elses_hands():
    """The limit holds in the API; a plan that is deleted comes again; a foreign write is no harm."""
    f = started()
    f.say(*[f"propose n{i} {i + 1} {i + 1}" for i in range(230)])
    eventually("200 steps", lambda: status().get("stepCount"), 200)
    equal("listed", len(status()["steps"]), 200)
    kubectl("annotate", "sharingplan", PLAN, "touched=yes")
    f.say("propose n200 999 500")
    eventually("written all the same", lambda: any(
        s["digest"] == f"{999:016x}" for s in status()["steps"]), seconds=20)
    kubectl("delete", "sharingplan", PLAN)
    eventually("it is there again", lambda: status().get("stepCount"), 200)
    counts = []
    for _ in range(6):
        time.sleep(5)
        said = len(counters(f))
        f.say("restart")
        eventually("it counts", lambda n=said: len(counters(f)) > n)
        counts.append(counters(f)[-1])
        if len(counts) > 1 and counts[-1] == counts[-2]:
            break
    equal(f"at rest nothing is written: {counts}", counts[-1], counts[-2])
    f.end()


if __name__ == "__main__":
    cluster.main([value for name, value in list(globals().items()) if name.startswith("test_")])

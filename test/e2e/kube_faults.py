#!/usr/bin/env python3
"""The Kubernetes client against a real API server behind a proxy that breaks things.

Usage: kube_faults.py KUBE_FOLLOW [WORD,WORD...]    (only the cases whose names hold one of the words)

After each fault, with objects changing all the while, the caches must end equal to the server's truth
with nothing told twice.  Writes, leases, Events and rotation of credentials follow.  TAP; ends with 77
where Go or the control plane of tools/cluster is absent."""

import base64
import json
import os
import pathlib
import queue
import random
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATHS = ["/api/v1/nodes", "/api/v1/pods", "/api/v1/configmaps", "/api/v1/namespaces"]
SETTLE_SECONDS = 100


def skip(reason):
    print(f"1..0 # SKIP {reason}")
    sys.exit(77)


class Program:
    """A child that reads commands and prints lines."""

    def __init__(self, argv, log):
        self.log = open(log, "w+b")
        self.child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=self.log, text=True, bufsize=1)
        self.lines = []
        self.queue = queue.Queue()
        threading.Thread(target=self.pump, daemon=True).start()

    def pump(self):
        for line in self.child.stdout:
            self.lines.append(line.rstrip("\n"))
            self.queue.put(line.rstrip("\n"))

    def send(self, *words):
        if self.child.poll() is not None:
            self.log.seek(0)
            raise AssertionError(f"ended with {self.child.returncode}: "
                                 + self.log.read().decode(errors="replace")[-3000:])
        self.child.stdin.write("\t".join(words) + "\n")
        self.child.stdin.flush()

    def wait(self, *starts, seconds=60):
        """The next line that begins with one of the words."""
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            if left <= 0:
                raise AssertionError(f"no line {starts} within {seconds} s; last {self.lines[-5:]}")
            try:
                line = self.queue.get(timeout=left)
            except queue.Empty:
                continue
            if line.startswith(starts):
                return line

    def drain(self):
        while not self.queue.empty():
            self.queue.get()

    def close(self):
        self.child.stdin.close()
        code = self.child.wait(20)
        self.log.seek(0)
        return code, self.log.read().decode(errors="replace")


class Server:
    """The API server itself, asked without the client under test."""

    def __init__(self, kubeconfig):
        text = kubeconfig.read_text()
        field = lambda name: next(l.split(":", 1)[1].strip() for l in text.splitlines()
                                  if l.strip().startswith(name + ":"))
        self.url = field("server")
        self.token = field("token")
        self.context = ssl.create_default_context(
            cadata=base64.b64decode(field("certificate-authority-data")).decode())

    def ask(self, method, path, body=None, kind="application/json"):
        request = urllib.request.Request(
            self.url + path, method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": "Bearer " + self.token, "Content-Type": kind})
        try:
            with urllib.request.urlopen(request, context=self.context, timeout=20) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as e:
            return {"code": e.code, "message": e.read().decode()}

    def truth(self):
        rows = {}
        for path in PATHS:
            for item in self.ask("GET", path)["items"]:
                meta = item["metadata"]
                rows[(path, f"{meta.get('namespace', '')}/{meta['name']}")] = (
                    meta["uid"], meta["resourceVersion"])
        return rows


class Churn(threading.Thread):
    """Creates, changes and deletes objects until told to stop."""

    def __init__(self, server, seed):
        super().__init__(daemon=True)
        self.server = server
        self.random = random.Random(seed)
        self.stop = threading.Event()
        self.done = 0

    def run(self):
        while not self.stop.is_set():
            try:
                self.step()
                self.done += 1
            except OSError:
                time.sleep(0.3)  # the server is being restarted
            time.sleep(0.01)

    def step(self):
        number = self.random.randrange(40)
        what = self.random.randrange(10)
        path = "/api/v1/namespaces/default/configmaps"
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"churn-{number}"},
                "data": {"x": "y" * self.random.randrange(2000), "n": str(self.done)}}
        if what < 4:
            self.server.ask("POST", path, body)
        elif what < 7:
            self.server.ask("PATCH", f"{path}/churn-{number}", {"data": {"n": str(self.done)}},
                            "application/merge-patch+json")
        elif what < 9:
            self.server.ask("DELETE", f"{path}/churn-{number}")
        else:
            self.server.ask("POST", "/api/v1/namespaces/default/pods", pod(f"churn-{number}"))


def pod(name, labels=None):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels or {}},
            "spec": {"containers": [{"name": "c", "image": "x",
                                     "resources": {"requests": {"cpu": "1m"}}}]}}


class Bench:
    """The cluster, the proxy, the client under test."""

    def __init__(self, follow, folder):
        self.follow = follow
        self.folder = folder
        self.name = f"kube-faults-{os.getpid()}"
        self.cluster = [str(ROOT / "tools/cluster")]
        nodes = folder / "nodes.yaml"
        nodes.write_text("nodes:\n- {name: plain, count: 2, cpu: '16', pods: 500}\n")
        path = subprocess.run(self.cluster + ["up", self.name, "--nodes", str(nodes)], check=True,
                              text=True, stdout=subprocess.PIPE).stdout.strip()
        self.server = Server(pathlib.Path(path))
        proxy = folder / "kubeproxy"
        subprocess.run(["go", "build", "-trimpath", "-o", str(proxy), "."], check=True,
                       cwd=ROOT / "test/e2e/kubeproxy")
        self.proxy = Program([str(proxy), "--upstream", self.server.url, "--token",
                              self.server.token, "--dir", str(folder)], folder / "proxy.log")
        self.address = self.proxy.wait("listening").split()[1]
        self.token = "planted-secret-one"
        self.token_file = folder / "token"
        self.write_token(self.token)
        self.tell("token", self.token)
        self.kubeconfig = folder / "kubeconfig"
        self.write_kubeconfig()
        self.outputs = []

    def write_kubeconfig(self):
        self.kubeconfig.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "x",
            "clusters": [{"name": "c", "cluster": {"server": f"https://{self.address}",
                                                   "certificate-authority": "ca.crt"}}],
            "users": [{"name": "u", "user": {"tokenFile": "token"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}]}))

    def write_token(self, token):
        temporary = self.folder / ".token"
        temporary.write_text(token)
        temporary.rename(self.token_file)

    def tell(self, *words):
        self.proxy.send(" ".join(words))
        self.proxy.wait("ok")

    def stats(self):
        self.proxy.send("stats")
        words = self.proxy.wait("stats ").split()[1:]
        self.proxy.wait("ok")
        return {k: int(v) for k, v in (w.rsplit("=", 1) for w in words)}

    def start(self, *args):
        program = Program([self.follow, "--kubeconfig", str(self.kubeconfig), *args],
                          self.folder / f"follow-{len(self.outputs)}.log")
        self.outputs.append(program)
        return program

    def dump(self, program):
        program.drain()
        program.send("dump")
        rows, lost = {}, []
        while True:
            line = program.wait("row", "state", "dumped", "violation")
            words = line.split("\t")
            if words[0] == "dumped":
                return rows, lost
            if words[0] == "violation":
                raise AssertionError(line)
            if words[0] == "state" and words[2] != "complete":
                lost.append(words[1])
            if words[0] == "row":
                assert (words[1], words[2]) not in rows, f"twice: {line}"
                rows[words[1], words[2]] = (words[3], words[4])

    def settle(self, program):
        """Waits until the caches are the truth."""
        end = time.monotonic() + SETTLE_SECONDS
        while True:
            want = self.server.truth()
            have, lost = self.dump(program)
            if have == want and not lost:
                return len(have)
            if time.monotonic() > end:
                differ = [k for k in want.keys() | have.keys() if want.get(k) != have.get(k)]
                raise AssertionError(f"lost {lost}, {len(differ)} rows differ: {differ[:5]}")
            time.sleep(0.3)

    def close(self):
        self.proxy.close()
        subprocess.run(self.cluster + ["down", self.name], check=False)


def check_fault(bench, program, act, seconds, heal=lambda: None):
    """Changes objects, breaks things, changes more, lets it heal; then all must be equal."""
    churn = Churn(bench.server, seed=7)
    churn.start()
    time.sleep(0.4)
    act()
    time.sleep(seconds)
    churn.stop.set()
    churn.join()
    bench.tell("slow", "0", "0")
    heal()
    rows = bench.settle(program)
    assert not [l for l in program.lines if l.startswith("violation")]
    return f"{rows} rows, {churn.done} changes"


def answer(program, *words):
    program.drain()
    program.send(*words)
    return program.wait("answer").split("\t")[1:]


def expect(got, outcome, status, reason=None):
    assert got[0] == outcome and got[1] == str(status), got
    assert reason is None or got[2] == reason, got
    return got


def check_writes(bench, program):
    path = "/api/v1/namespaces/default/configmaps/w"
    body = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"w"},"data":{"a":"%s"}}'
    expect(answer(program, "patch", "apply", path, "one", body % 1), "done", 201)
    got = expect(answer(program, "patch", "apply", path, "two", body % 2), "rejected", 409, "Conflict")
    assert got[3] == "FieldManagerConflict", got
    expect(answer(program, "patch", "force", path, "two", body % 2), "done", 200)
    stale = '{"metadata":{"resourceVersion":"1"},"data":{"a":"3"}}'
    expect(answer(program, "patch", "merge", path, "", stale), "rejected", 409, "Conflict")
    expect(answer(program, "patch", "merge", path, "", '{"data":{"b":"x"}}'), "done", 200)
    test = '[{"op":"test","path":"/data/b","value":"y"},{"op":"remove","path":"/data/b"}]'
    expect(answer(program, "patch", "json", path, "", test), "rejected", 422, "Invalid")
    expect(answer(program, "create", "/api/v1/namespaces/default/configmaps", body % 9), "rejected",
           409, "AlreadyExists")
    truth = bench.server.ask("GET", path)
    assert truth["data"] == {"a": "2", "b": "x"}, truth["data"]
    expect(answer(program, "delete", path, "no-such-uid"), "rejected", 409, "Conflict")
    expect(answer(program, "delete", path, truth["metadata"]["uid"]), "done", 200)
    expect(answer(program, "delete", path, ""), "rejected", 404, "NotFound")
    return "apply, conflict, force, merge, test, create, delete"


def check_patience(bench, _):
    """Retry-After is kept to where it is allowed, and so is the rate."""
    program = bench.start("--qps-milli", "5000", "--burst", "2")
    path = "/api/v1/namespaces/default"
    bench.tell("busy", "2")
    began = time.monotonic()
    expect(answer(program, "patch", "merge", path, "", '{"metadata":{"labels":{"a":"b"}}}'), "done", 200)
    waited = time.monotonic() - began
    assert waited >= 2, f"two answers said 1 s, it took {waited:.2f} s"
    bench.tell("busy", "1")
    expect(answer(program, "evict", "default", "nobody", ""), "rejected", 429)
    time.sleep(1)
    began = time.monotonic()
    for _ in range(12):
        program.send("evict", "default", "nobody", "")
    for _ in range(12):
        program.wait("answer\trejected\t404")
    paced = time.monotonic() - began
    assert 1.8 < paced < 4, f"12 requests at 5 a second after a burst of 2 took {paced:.2f} s"
    program.close()
    return f"waited {waited:.1f} s, 12 requests in {paced:.1f} s"


def check_status(bench, program):
    bench.server.ask("POST", "/api/v1/namespaces/default/resourcequotas",
                     {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"},
                      "spec": {"hard": {"requests.nvidia.com/gpu": "4"}}})
    path = "/api/v1/namespaces/default/resourcequotas/q"
    expect(answer(program, "patch", "merge", path + "/status", "",
                  '{"status":{"used":{"requests.nvidia.com/gpu":"3"}},"spec":{"hard":{"pods":"1"}}}'),
           "done", 200)
    got = bench.server.ask("GET", path)
    assert got["spec"]["hard"] == {"requests.nvidia.com/gpu": "4"}, got["spec"]
    return "status is written, spec is not"


def check_eviction(bench, program):
    ask = bench.server.ask
    made = ask("POST", "/api/v1/namespaces/default/pods", pod("guarded", {"app": "g"}))
    ask("POST", "/apis/policy/v1/namespaces/default/poddisruptionbudgets",
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "g"},
         "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "g"}}}})
    budget = "/apis/policy/v1/namespaces/default/poddisruptionbudgets/g"
    until(lambda: ask("GET", budget).get("status", {}).get("currentHealthy") == 1)
    got = expect(answer(program, "evict", "default", "guarded", made["metadata"]["uid"]),
                 "rejected", 429, "TooManyRequests")
    assert got[3] == "DisruptionBudget", got
    ask("DELETE", budget)
    expect(answer(program, "evict", "default", "guarded", "another-uid"), "rejected", 409)
    expect(answer(program, "evict", "default", "guarded", made["metadata"]["uid"]), "done", 201)
    expect(answer(program, "evict", "default", "nobody", ""), "rejected", 404, "NotFound")
    return "budget, another uid, done, gone"


def until(holds, seconds=60):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not so within {seconds} s"
        time.sleep(0.1)


def check_lost_answer(bench, program):
    """The server took it and the answer never came: unknown, and sent once."""
    path = "/api/v1/namespaces/default/configmaps"
    bench.tell("lose", "1")
    before = bench.stats().get(f"POST:{path}", 0)
    got = answer(program, "create", path,
                 '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"once"}}')
    assert got[0] == "unknown", got
    time.sleep(1)
    assert bench.stats()[f"POST:{path}"] == before + 1
    assert bench.server.ask("GET", path + "/once")["metadata"]["name"] == "once"
    return "unknown, one POST"


def check_lease(bench, _):
    first, second = bench.start(), bench.start()
    first.send("lease", "default", "l", "first")
    first.wait("lead\tyes")
    second.send("lease", "default", "l", "second")
    second.wait("lead\tno\tfirst")
    path = "/apis/coordination.k8s.io/v1/namespaces/default/leases/l"
    began = time.monotonic()
    first.send("release")
    first.wait("released")
    holder = bench.server.ask("GET", path)["spec"].get("holderIdentity", "")
    assert holder in ("", "second"), f"released, and held by {holder}"
    second.wait("lead\tyes")
    handed = time.monotonic() - began
    first.close()
    third = bench.start()
    third.send("lease", "default", "l", "third")
    third.wait("lead\tno\tsecond")
    began = time.monotonic()
    second.child.kill()
    third.wait("lead\tyes")
    taken = time.monotonic() - began
    assert taken > 1.5, f"the dead one's lease was taken after {taken:.1f} s"
    lease = bench.server.ask("GET", path)
    assert lease["spec"]["leaseTransitions"] == 2, lease["spec"]
    # Who cannot reach the server any more stops leading by its own clock.
    bench.tell("fail", "100000")
    third.wait("lead\tlost")
    bench.tell("fail", "0")
    third.close()
    return f"released in {handed:.1f} s, taken over in {taken:.1f} s"


def check_events(bench, _):
    program = bench.start()
    uid = bench.server.ask("GET", "/api/v1/namespaces/default")["metadata"]["uid"]
    for _ in range(20):
        program.send("event", "v1", "Namespace", "", "default", uid, "Tested", "the same again")
    for i in range(40):
        program.send("event", "v1", "Namespace", "", "default", uid, "Flood", f"number {i}")

    def ours():
        return [e for e in bench.server.ask(
            "GET", "/apis/events.k8s.io/v1/namespaces/default/events")["items"]
            if e.get("reportingController") == "slicewright.io/test"]
    until(lambda: len(ours()) >= 25)
    time.sleep(2)
    events = ours()
    assert sum(e["reason"] == "Tested" for e in events) == 1, len(events)
    assert len(events) == 25, f"{len(events)} events of one object"
    program.close()
    return "one for twenty, 25 of a flood"


def check_token(bench, program):
    bench.token = "planted-secret-two"
    bench.tell("token", bench.token)
    bench.tell("cut")
    time.sleep(0.5)
    bench.write_token(bench.token)
    return check_fault(bench, program, lambda: None, 1)


def check_certificates(bench, program):
    return check_fault(bench, program, lambda: bench.tell("rotate"), 2)


def check_freeze(bench, program):
    before = bench.stats()["connections"]
    text = check_fault(bench, program, lambda: bench.tell("freeze"), 5)
    opened = bench.stats()["connections"] - before
    assert 1 <= opened <= 8, f"{opened} new connections"
    return f"{text}, {opened} new connections"


def check_quiet(bench, _):
    """Watches of what nobody changes are left alone, however long: the server is heard on the same
    connection.  Once it is not, they go elsewhere."""
    quiet = ["/api/v1/services", "/api/v1/resourcequotas", "/apis/apps/v1/deployments"]
    program = bench.start("--idle-ms", "4000", *quiet)
    for _ in quiet:
        program.wait("sync")
    before = bench.stats()
    time.sleep(10)
    after = bench.stats()
    watches = [line.split("\t") for line in lines_of(program, "stats", "watch", "client")
               if line.startswith("watch")]
    assert len(watches) == len(quiet), watches
    for words in watches:
        assert "idle=0" in words and "watches=1" in words, words
    assert after["connections"] == before["connections"], (before, after)
    asked = after["requests"] - before["requests"]
    bench.tell("freeze")
    until(lambda: all("idle=0" not in line.split("\t")
                      for line in lines_of(program, "stats", "watch", "client")[:-1]))
    code, errors = program.close()
    assert code == 0, errors
    return f"{asked} requests in 10 s of silence, then a dead peer found"


def lines_of(program, command, *starts):
    """What is printed for a command, until the line of the last kind."""
    program.drain()
    program.send(command)
    lines = []
    while not lines or not lines[-1].startswith(starts[-1]):
        lines.append(program.wait(*starts))
    return lines


def check_one_connection(bench, program):
    """Many watches, one HTTP/2 connection."""
    before = bench.stats()["connections"]
    other = bench.start(*PATHS, "/api/v1/secrets", "/api/v1/services", "/apis/apps/v1/deployments",
                        "/apis/apps/v1/daemonsets", "/apis/batch/v1/jobs", "/api/v1/endpoints")
    for _ in range(10):
        other.wait("sync")
    stats = bench.stats()
    assert stats["connections"] == before + 1, stats
    assert stats["http1"] == 0, stats
    code, errors = other.close()
    assert code == 0, errors
    return "10 watches, 1 connection"


class Tunnel(threading.Thread):
    """An HTTP proxy that knows CONNECT."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.asked = []
        self.start()

    def run(self):
        while True:
            client, _ = self.listener.accept()
            line = client.recv(65536).decode().split("\r\n")[0]
            self.asked.append(line)
            host, port = line.split()[1].rsplit(":", 1)
            server = socket.create_connection((host, int(port)))
            client.sendall(b"HTTP/1.1 200 Connection established\r\nX-Proxy: yes\r\n\r\n")
            for a, b in ((client, server), (server, client)):
                threading.Thread(target=self.copy, args=(a, b), daemon=True).start()

    @staticmethod
    def copy(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        target.close()


def kubeconfig(bench, name, cluster, user):
    path = bench.folder / name
    path.write_text(json.dumps({
        "current-context": "x", "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}]}))
    return str(path)


def first_word(bench, config):
    """What a client with this kubeconfig is told first, and what it logs."""
    program = Program([bench.follow, "--kubeconfig", config, PATHS[3]],
                      bench.folder / "first.log")
    line = program.wait("sync").split("\t")
    code, errors = program.close()
    assert code == 0, errors
    assert "planted-secret" not in errors + "".join(program.lines)
    return line[2], line[3] + errors


def check_kubeconfigs(bench, _):
    """Ways to trust, to get there and to log in: by name, not at all, by a proxy, by certificate, by an
    exec plugin."""
    url, ca = f"https://{bench.address}", "ca.crt"
    token = {"token": bench.token}
    good = {"server": url, "certificate-authority": ca, "tls-server-name": "kubernetes.example"}
    assert first_word(bench, kubeconfig(bench, "named", good, token))[0] == "complete"
    sync, text = first_word(bench, kubeconfig(
        bench, "misnamed", {**good, "tls-server-name": "other.example"}, token))
    assert sync == "lost" and "SSL" in text, text
    sync, text = first_word(bench, kubeconfig(bench, "untrusted", {"server": url}, token))
    assert sync == "lost" and "SSL" in text, text
    sync, text = first_word(bench, kubeconfig(
        bench, "insecure", {"server": url, "insecure-skip-tls-verify": True}, token))
    assert sync == "complete" and "anyone on the way" in text, text
    tunnel = Tunnel()
    config = kubeconfig(bench, "proxied", {**good, "proxy-url": tunnel.url}, token)
    assert first_word(bench, config)[0] == "complete"
    assert tunnel.asked == [f"CONNECT {bench.address} HTTP/1.1"], tunnel.asked
    sync, text = first_word(bench, kubeconfig(bench, "stranger", good, {"token": "planted-secret-bad"}))
    assert sync == "lost" and "401" in text, text
    by_certificate = subprocess.run(
        bench.cluster + ["kubeconfig", bench.name, "--user", "bob", "--group", "system:masters"],
        check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.strip()
    assert first_word(bench, by_certificate)[0] == "complete"
    plugin = bench.folder / "login"
    plugin.write_text("#!/bin/sh\nprintf '{\"apiVersion\":\"client.authentication.k8s.io/v1\","
                      "\"kind\":\"ExecCredential\",\"status\":{\"token\":\"%s\"}}' \"$TOKEN\"\n")
    plugin.chmod(0o700)
    login = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./login",
                      "env": [{"name": "TOKEN", "value": bench.token}]}}
    assert first_word(bench, kubeconfig(bench, "exec", good, login))[0] == "complete"
    login["exec"]["command"] = "./no-login"
    login["exec"]["installHint"] = "get it from the platform team"
    sync, text = first_word(bench, kubeconfig(bench, "exec2", good, login))
    assert sync == "lost" and "get it from the platform team" in text, text
    return "9 kubeconfigs"


def check_big_item(bench, _):
    other = bench.start("--item-max", "900", "/api/v1/configmaps")
    line = other.wait("sync")
    assert line.split("\t")[2] == "lost" and "is larger than 900 bytes" in line, line
    other.close()
    return line.split("\t")[3]


def restart(bench, *args):
    subprocess.run(bench.cluster + ["restart", bench.name, "apiserver", *args], check=True,
                   stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def cases(bench):
    streamed = bench.start("--idle-ms", "3000", "--lost-ms", "60000", *PATHS)
    paged = bench.start("--idle-ms", "3000", "--no-stream", "--page", "7", *PATHS)
    both = [("streamed", streamed), ("paged", paged)]
    for _, program in both:
        bench.settle(program)

    def fault(name, act, seconds=1.5, heal=lambda: None):
        for kind, program in both:
            yield f"{name} ({kind})", lambda p=program: check_fault(bench, p, act, seconds, heal)

    def away():
        """Nothing gets through, so what is deleted now no watch will tell of."""
        tell("fail", "1000000")
        tell("cut")

    tell = bench.tell
    yield from fault("changes alone", lambda: None)
    yield from fault("connections cut", lambda: tell("cut"))
    yield from fault("half a JSON item", lambda: tell("half", "6"), 2)
    yield from fault("410 of a watch", away, heal=lambda: (tell("gone", "8"), tell("fail", "0")))
    yield from fault("ERROR event 410", away, heal=lambda: (tell("expire", "8"), tell("fail", "0")))
    yield from fault("410 of a page", away,
                     heal=lambda: (tell("gone", "8"), tell("page410", "3"), tell("fail", "0")))
    yield from fault("429 storm", lambda: (tell("storm", "40"), tell("cut")), 3)
    yield from fault("5xx", lambda: (tell("fail", "24"), tell("cut")), 3)
    yield from fault("slow body", lambda: (tell("slow", "600", "2"), tell("cut")), 2)
    yield "dead peer", lambda: check_freeze(bench, streamed)
    yield from fault("API server restarted", lambda: restart(bench), 1)
    yield from fault("API server killed", lambda: restart(bench, "--kill"), 1)
    yield "token rotated", lambda: check_token(bench, streamed)
    yield "certificates rotated", lambda: check_certificates(bench, streamed)
    yield "caches after all that (paged)", lambda: f"{bench.settle(paged)} rows"
    yield "quiet watches", lambda: check_quiet(bench, None)
    yield "one connection", lambda: check_one_connection(bench, None)
    yield "kubeconfigs", lambda: check_kubeconfigs(bench, None)
    yield "an object over the limit", lambda: check_big_item(bench, None)
    yield "writes", lambda: check_writes(bench, streamed)
    yield "Retry-After and the rate", lambda: check_patience(bench, None)
    yield "status subresource", lambda: check_status(bench, streamed)
    yield "evictions", lambda: check_eviction(bench, streamed)
    yield "an answer that is lost", lambda: check_lost_answer(bench, streamed)
    yield "lease", lambda: check_lease(bench, None)
    yield "Events", lambda: check_events(bench, None)


def check_silence(bench):
    """No token in anything that was printed, and no memory error or leak."""
    for program in bench.outputs:
        killed = program.child.poll() is not None
        code, errors = (0, "") if killed else program.close()
        text = errors + "\n".join(program.lines)
        assert "planted-secret" not in text, "a token was printed"
        assert "Sanitizer" not in text and code == 0, text[-3000:]
    return f"{len(bench.outputs)} programs"


def main():
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    if shutil.which("go") is None:
        skip("go is not installed")
    if subprocess.run([str(ROOT / "tools/testbed/build"), "--check", "controlplane"],
                      check=False, stdout=subprocess.DEVNULL).returncode != 0:
        skip("the control plane is not built: run tools/cluster up once")
    only = sys.argv[2] if len(sys.argv) > 2 else ""
    failed = number = 0
    with tempfile.TemporaryDirectory(prefix="slicewright-") as folder:
        bench = Bench(sys.argv[1], pathlib.Path(folder))
        try:
            steps = list(cases(bench)) + [("nothing secret is printed", lambda: check_silence(bench))]
            for name, act in steps:
                if only and not any(word in name for word in only.split(",")):
                    continue
                number += 1
                began = time.monotonic()
                try:
                    text = act()
                    print(f"ok {number} - {name} # {text}, {time.monotonic() - began:.1f} s",
                          flush=True)
                except Exception as e:  # pylint: disable=broad-except
                    failed += 1
                    print(f"not ok {number} - {name}\n# {type(e).__name__}: {e}", flush=True)
        finally:
            bench.close()
    print(f"1..{number}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

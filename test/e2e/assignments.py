"""The fake operator's log of device assignments, replayed: what no sample of the state can miss.

Grouped by physical device, which is the id up to `::`.  What must never be is collected in `wrong`."""

import collections
import json
import os

import cluster


class Log:
    """Every device that was assigned or freed, and every start of a plugin, node by node."""

    def __init__(self):
        self.events = {"assigned": 0, "freed": 0, "registered": 0, "stopped": 0}
        self.peaks = {}  # (node, device): the most pods that it had at once
        self.wrong = []
        self._next = {}  # node: the sequence of its next event
        self._held = {}  # (node, device): {id: pod's uid}

    def follow(self):
        """Takes what was logged since the last time."""
        for node, events in json.loads(
                cluster.fetch(os.environ["SLICEWRIGHT_OPERATOR"] + "/assignments")).items():
            due = self._next.get(node, 0)
            if events and events[0]["sequence"] > due:
                raise AssertionError(f"{node}: events {due} to {events[0]['sequence'] - 1} are lost")
            for event in events[due - events[0]["sequence"] if events else 0:]:
                self.take(node, event)
                self._next[node] = event["sequence"] + 1

    def forgive(self):
        """What is wrong up to now was wished for."""
        self.follow()
        self.wrong = []
        self.events = dict.fromkeys(self.events, 0)
        self.peaks = {}

    def histogram(self):
        """How many devices had so many pods at once at most: {pods: devices}."""
        return dict(sorted(collections.Counter(self.peaks.values()).items()))

    def take(self, node, event):
        """Takes one event."""
        self.events[event["kind"]] += 1
        if event["kind"] == "assigned":
            self._assigned(node, event)
        elif event["kind"] == "freed":
            self._held[node, event["device"]].pop(event["id"])
        elif event["kind"] == "registered":
            self._registered(node, event)

    def _assigned(self, node, event):
        here = self._held.setdefault((node, event["device"]), {})
        what = f"{node}: {event['id']} to {event['pod']} at {event['time']}, "
        others = {i: uid for i, uid in here.items() if uid != event["uid"]}
        if event["id"] in others:
            self.wrong.append(what + "which another pod has")
        if others and not all("::" in i for i in [*others, event["id"]]):
            self.wrong.append(what + f"of a GPU that is held whole: {others}")
        here[event["id"]] = event["uid"]
        pods = len(set(here.values()))
        where = node, event["device"]
        self.peaks[where] = max(self.peaks.get(where, 0), pods)
        if pods > event["replicas"]:
            self.wrong.append(what + f"with {event['replicas']} replicas in force: {here}")

    def _registered(self, node, event):
        """A plugin that starts must find no whole GPU in use that it shares, no shared one that it gives
        whole, and no more pods than replicas."""
        if event["resource"] not in ("nvidia.com/gpu", "nvidia.com/gpu.shared"):
            return
        for (where, device), here in self._held.items():
            if where != node or not here or not device.startswith("GPU-"):
                continue
            what = f"{node}: {event['resource']} x {event['replicas']} at {event['time']}, "
            if len(set(here.values())) > event["replicas"]:
                self.wrong.append(what + f"with more pods on {device}: {here}")
            if any(("::" in i) != (event["replicas"] > 1) for i in here):
                self.wrong.append(what + f"while {device} is held as it was: {here}")

"""Who was measured: runwired, and its peers, of which one is the best at each load."""

from medians import listed, ratio_between, ratio_over_rounds

OURS = "runwired"
GROUPS = "runwired --lead group"
BAREST = "barest"
DIRECT = ("closed", "programs")  # kinds whose entries are measured under the same conditions
SERVICE = ("service",)


def is_ours(server):
    """runwired itself, or a variant of it such as `runwired --spawner=uv`: neither is a peer."""
    return server.split()[0].rstrip(",") == OURS


def is_peer(server):
    """What one would write or pick instead: not the barest server, which is a yardstick."""
    return not is_ours(server) and server.split()[0] != BAREST


def in_order(entries):
    """The servers' names: runwired first, its variants next, then the others as they come."""
    names = list(dict.fromkeys(entry["server"] for entry in entries))
    return sorted(names, key=lambda name: (name != OURS, not is_ours(name)))


def distinct(entries, key):
    """The values of `key` in the order in which they come first."""
    return list(dict.fromkeys(entry[key] for entry in entries if entry.get(key) is not None))


def commands(result):
    """`echo hello` first: the goals are about it."""
    return sorted(distinct(listed(result, "closed"), "command"), key=lambda command: command != "echo hello")


def share_of_r(entry):
    return ratio_over_rounds(entry, "per_second", "r")


def best_peer(result, command, clients, kinds=DIRECT):
    """The peer of the highest median rate at this load, programs with a client of their own included; or None."""
    same_load = [
        entry
        for kind in kinds
        for entry in listed(result, kind)
        if (entry.get("command"), entry.get("clients")) == (command, clients)
    ]
    peers = [entry for entry in same_load if is_peer(entry["server"]) and share_of_r(entry)]
    return max(peers, key=lambda entry: share_of_r(entry).median, default=None)


def share_of_best_peer(result, entry, kinds=DIRECT):
    peer = best_peer(result, entry.get("command"), entry.get("clients"), kinds)
    return ratio_between(entry, peer, "per_second") if peer else None

# SPDX-License-Identifier: BSD-2-Clause
"""The verbs about a guest's disks and VIFs: which there are, and that they come and go."""

import argparse
import json
import sys

from . import text
from .client import Client, Refused
from .frame import Message
from .waiting import until


def _found(client: Client, guest: str, name: str) -> Message:
    """Raises Refused."""
    devices = client.items("devices", name=guest)
    for device in devices:
        if device["name"] == name:
            return device
    raise Refused({
        "code": "unknown", "domain": guest,
        "message": f'{guest} has no disk or VIF "{name}" in the description',
        "try": ", ".join(device["name"] for device in devices) or "a guest that has devices",
    })


def show(arguments: argparse.Namespace, client: Client) -> int:
    found = client.items("devices", **({"name": arguments.name} if arguments.name else {}))
    if arguments.json:
        text.show(found)
        return 0
    rows = [[entry["guest"], entry["name"], entry["kind"], entry["state"], entry["server"],
             str(entry["changes"] or ""), str(entry["forced"] or "")] for entry in found]
    text.table(["GUEST", "DEVICE", "KIND", "STATE", "SERVER", "CHANGES", "FORCED"], rows,
               sys.stdout, right=(5, 6))
    return 0


def change(arguments: argparse.Namespace, client: Client, verb: str) -> int:
    """plug, unplug: 1 if it is refused, or was taken away by force."""
    guest, name = arguments.name, arguments.device
    before = _found(client, guest, name)
    if arguments.dry_run:
        return text.planned(
            arguments, f"{name} of {guest}: is {before['state']}; would be {verb}ged")
    client.request(verb, name=guest, device=name)
    after = until(client, f"{name} of {guest}", lambda: _found(client, guest, name),
                  lambda now: now["state"] not in ("coming", "leaving"), arguments.wait)
    failed = after["state"] == "refused" or after["forced"] != before["forced"]
    if failed and not arguments.json:
        story = client.request("why", name=guest)
        raise Refused({**story, "code": story.get("code", "failed"), "domain": guest,
                       "message": story.get("what", "it failed")})
    print(json.dumps(after) if arguments.json else f"{name} of {guest}: {after['state']}")
    return int(failed)

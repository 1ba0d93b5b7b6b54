# SPDX-License-Identifier: BSD-2-Clause
"""Commands inside of gdb (its own Python runs this), with the core's symbols loaded.

    domains              lists the domains, with their page-table roots
    domain NAME          dbreak is about this one from now on
    dbreak LOCATION      a breakpoint that stops only in that domain's address space

All native programs are linked at one address, so an address alone does not say whose it
is: dbreak compares CR3, without the bits of the PCID, with the roots that the core has
for the domain at that moment. The core itself is mapped everywhere, so its symbols
and data can be used whoever runs; memory of a domain is seen only while it runs.
"""

import gdb  # type: ignore[import-not-found]  # pylint: disable=import-error

ROOT = 0x000FFFFFFFFFF000
NAMED = {"name": ""}


def _each_domain():
    domain = gdb.parse_and_eval("domains")
    while int(domain):
        yield domain
        domain = domain["next"]


def _roots(domain):
    """Of all its vCPUs, kernel and user halves."""
    found = set()
    for n in range(int(domain["max_vcpus"])):
        vcpu = domain["vcpus"][n]
        found |= {int(vcpu["cr3_kernel"]) & ROOT, int(vcpu["cr3_user"]) & ROOT}
    return found - {0}


def _find(name):
    for domain in _each_domain():
        if domain["name"].string() == name:
            return domain
    raise gdb.GdbError(f'found no domain "{name}" in the core')


class Domains(gdb.Command):
    """List the domains of the running system."""

    def __init__(self):
        super().__init__("domains", gdb.COMMAND_STATUS)

    def invoke(self, argument, _):
        for domain in _each_domain():
            roots = " ".join(f"{root:#x}" for root in sorted(_roots(domain)))
            print(f"{domain['name'].string():16} d{int(domain['id'])} {roots}")


class Domain(gdb.Command):
    """domain NAME: what dbreak is about."""

    def __init__(self):
        super().__init__("domain", gdb.COMMAND_RUNNING)

    def invoke(self, argument, _):
        _find(argument)
        NAMED["name"] = argument


class InDomain(gdb.Breakpoint):
    """Stops in one address space only."""

    def __init__(self, place, name):
        super().__init__(place, type=gdb.BP_HARDWARE_BREAKPOINT)
        self.name = name

    def stop(self):
        return int(gdb.parse_and_eval("$cr3")) & ROOT in _roots(_find(self.name))


class Dbreak(gdb.Command):
    """dbreak LOCATION: stop there, in the domain that was named."""

    def __init__(self):
        super().__init__("dbreak", gdb.COMMAND_BREAKPOINTS)

    def invoke(self, argument, _):
        if not NAMED["name"]:
            raise gdb.GdbError("no domain was named: domain NAME")
        InDomain(argument, NAMED["name"])


Domains()
Domain()
Dbreak()

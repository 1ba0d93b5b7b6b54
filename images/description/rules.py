# SPDX-License-Identifier: BSD-2-Clause
"""Rule files for the switch: from text to the bytes of proto/rules.h.

The language is in docs/reference/rules.md. A file is tokens and ends of lines; each rule
is one line, but a list in braces may go over several. compile_rules() goes on with the next
line after a mistake, so that one run shows them all.
"""

import re
import struct
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

from . import rule_values as values
from .report import Report, suggestion, words
from .rule_values import Wrong

HEADER = struct.Struct("<Q12I")
RULE = struct.Struct("<IIIBBBBBBHI20HQ")
RANGE = struct.Struct("<HH")
PREFIX = struct.Struct("<16sBB6x")
MAC = struct.Struct("<6sBx")
PORT = struct.Struct("<32s")

MAGIC, VERSION = 0x31454C5552535254, 1
MAX_SIZE, MAX_RULES, MAX_LIST, MAX_WORK, MAX_PORTS = 65536, 512, 256, 4096, 64
ACTIONS = {"accept": 1, "drop": 2, "reject": 3}
LOG, MIRROR, BYTES = 1, 2, 4
# The conditions, by number of their bit; the first ten have a list.
CONDITIONS = (
    "smac", "dmac", "ethertype", "vlan", "from", "to", "proto", "sport", "dport", "type",
    "flags", "fragment", "state", "limit",
)
LISTS = 10
FAMILIES = ("ip", "ip6", "arp")
SHORT = ("tcp", "udp", "icmp", "icmp6")
OPTIONS = (*CONDITIONS, *FAMILIES, *SHORT, "dhcp", "neighbour", "log", "mirror")

_TOKEN = re.compile(
    r"(?P<skip>[ \t\r]+|#[^\n]*)|(?P<end>\n)|(?P<mark>!=|[{},=])|(?P<word>[^\s{},=#!]+)"
)
_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,30}")


@dataclass
class Token:
    text: str  # "" at the end of a line
    line: int

    def __str__(self) -> str:
        return f'"{self.text}"' if self.text else "the end of the line"


@dataclass
class Rule:
    line: int
    action: int
    match: int = 0
    negate: int = 0
    flags: int = 0
    lists: dict[int, list] = field(default_factory=dict)  # by bit
    said: dict[str, Token] = field(default_factory=dict)  # the words that conditions began with
    states: int = 0
    tcp: tuple[int, int] = (0, 0)
    mirror: str = ""
    rate: int = 0
    burst: int = 0

    def has(self, name: str) -> bool:
        return bool(self.match >> CONDITIONS.index(name) & 1)

    def add(self, name: str, items: Optional[list] = None, negate: bool = False) -> None:
        bit = CONDITIONS.index(name)
        self.match |= 1 << bit
        self.negate |= negate << bit
        if items is not None:
            self.lists[bit] = items

    def listed(self, name: str) -> list:
        return self.lists.get(CONDITIONS.index(name), [])

    def only(self, name: str) -> set[int]:
        """The numbers that a condition leaves, if it says so one by one."""
        bit = CONDITIONS.index(name)
        if self.negate >> bit & 1 or any(last - first > 15 for first, last in self.listed(name)):
            return set()
        return {number for first, last in self.listed(name) for number in range(first, last + 1)}


class _Mistake(Exception):
    """Ends the line that it is in."""

    def __init__(self, token: Token, expected: str):
        super().__init__(expected)
        self.token = token


def _tokens(text: str) -> list[Token]:
    found, line, depth, at = [], 1, 0, 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            found.append(Token(text[at], line))
            at += 1
            continue
        at = match.end()
        if match["end"]:
            if not depth:
                found.append(Token("", line))
            line += 1
        elif not match["skip"]:
            depth += (match[0] == "{") - (match[0] == "}" and depth > 0)
            found.append(Token(match[0], line))
    found.append(Token("", line))
    return found


class _Parser:
    def __init__(self, text: str, report: Report):
        self.tokens = _tokens(text)
        self.at = 0
        self.report = report
        self.defined: dict[str, list[Token]] = {}
        self.rules: list[Rule] = []

    def peek(self) -> Token:
        return self.tokens[min(self.at, len(self.tokens) - 1)]

    def take(self) -> Token:
        token = self.peek()
        self.at += 1
        return token

    def taken(self, text: str) -> bool:
        if self.peek().text != text:
            return False
        self.at += 1
        return True

    def parse(self) -> list[Rule]:
        while self.at < len(self.tokens):
            try:
                self.statement()
            except _Mistake as mistake:
                self.report.error(mistake.token.line, "",
                                  f"found {mistake.token}, expected {mistake}")
                while self.at < len(self.tokens) and self.peek().text:
                    self.at += 1
        return self.rules

    def statement(self) -> None:
        token = self.take()
        if token.text == "define":
            self.define()
        elif token.text in ACTIONS or token.text in ("log", "mirror"):
            self.rule(token)
        elif token.text:
            known = (*ACTIONS, "log", "mirror", "define")
            raise _Mistake(token, f"{words(known)}{suggestion(token.text, known)}")

    def define(self) -> None:
        name = self.take()
        if not _NAME.fullmatch(name.text):
            raise _Mistake(name, "a name: small letters, digits, \"_\", \"-\" or \".\"")
        if name.text in self.defined:
            raise _Mistake(name, "a name that is not defined yet")
        if not self.taken("="):
            raise _Mistake(self.peek(), 'a "="')
        self.defined[name.text] = [item for item, _ in self.items()]
        self.end()

    def end(self) -> None:
        if self.peek().text:
            raise _Mistake(self.peek(), "the end of the line")

    def item(self) -> list[tuple[Token, Token]]:
        """One word of a list, or all that a $name stands for, with the word for messages."""
        token = self.take()
        if token.text in ("", "{", "}", ",", "=", "!="):
            raise _Mistake(token, "a value")
        if token.text[0] != "$":
            return [(token, token)]
        if token.text[1:] not in self.defined:
            raise _Mistake(token, "a name that is defined above"
                           + suggestion(token.text[1:], self.defined))
        return [(Token(item.text, token.line), token) for item in self.defined[token.text[1:]]]

    def items(self) -> list[tuple[Token, Token]]:
        """VALUE, VALUE ...  or  { VALUE, VALUE ... }"""
        braces = self.taken("{")
        found = self.item()
        while self.taken(","):
            if braces and self.peek().text == "}":
                break
            found += self.item()
        if braces and not self.taken("}"):
            raise _Mistake(self.peek(), '"," or "}"')
        return found

    def values(self, parse: Callable[[str], Any]) -> list:
        found = []
        for item, shown in self.items():
            try:
                value = parse(item.text)
            except Wrong as wrong:
                raise _Mistake(item if item.text == shown.text else
                               Token(f"{item.text} of {shown.text}", shown.line),
                               str(wrong)) from wrong
            found += value if isinstance(value, list) else [value]
        if len(found) > MAX_LIST:
            raise _Mistake(Token(f"{len(found)} values", self.peek().line), f"at most {MAX_LIST}")
        return found

    def negated(self) -> bool:
        return self.taken("not") or self.taken("!=")

    def rule(self, first: Token) -> None:
        unconditional = next((r for r in self.rules if r.action and not r.match), None)
        if unconditional:
            raise _Mistake(first, f"no more rules: the one in line {unconditional.line} "
                           "applies to every frame")
        rule = Rule(first.line, ACTIONS.get(first.text, 0))
        if not rule.action:
            self.at -= 1
        while self.peek().text:
            self.option(rule, self.take())
        self.check(rule, first)
        self.rules.append(rule)
        if len(self.rules) > MAX_RULES:
            raise _Mistake(first, f"at most {MAX_RULES} rules")

    def once(self, rule: Rule, name: str, token: Token) -> None:
        if rule.has(name):
            raise _Mistake(token, f"one condition on {name}, not a second one")
        rule.said[name] = token

    def option(self, rule: Rule, token: Token) -> None:
        name = token.text
        parsers: dict[str, Callable[[str], Any]] = {
            "smac": values.mac, "dmac": values.mac, "ethertype": values.ethertype,
            "vlan": values.vlan, "from": values.addresses, "to": values.addresses,
            "proto": values.protocol, "sport": values.port, "dport": values.port,
        }
        if name == "log":
            if rule.flags & LOG:
                raise _Mistake(token, 'one "log", not a second one')
            rule.flags |= LOG
        elif name == "mirror":
            self.mirror(rule, token)
        elif name in FAMILIES:
            self.once(rule, "ethertype", token)
            rule.add("ethertype", [(values.ETHERTYPES[name],) * 2])
        elif name in SHORT:
            self.once(rule, "proto", token)
            rule.add("proto", [(values.PROTOCOLS[name],) * 2])
        elif name == "dhcp":
            self.shorthand(rule, token, 17, {"sport": (67, 68), "dport": (67, 68)})
        elif name == "neighbour":
            self.shorthand(rule, token, 58, {"type": (133 << 8, 137 << 8 | 255)})
        elif name in ("type", "flags", "fragment", "state", "limit", "not"):
            self.special(rule, token)
        elif name in parsers:
            self.once(rule, name, token)
            negate = self.negated()
            if name in ("from", "to") and self.peek().text == "any":
                if negate:
                    raise _Mistake(self.peek(), 'addresses behind "not"')
                self.take()
                return
            rule.add(name, self.values(parsers[name]), negate)
        else:
            raise _Mistake(token, f"a condition, log or mirror{suggestion(name, OPTIONS)}")

    def mirror(self, rule: Rule, token: Token) -> None:
        name = self.take()
        if rule.mirror:
            raise _Mistake(token, 'one "mirror", not a second one')
        if not _NAME.fullmatch(name.text):
            raise _Mistake(name, "the name of a port that gets a copy")
        rule.flags |= MIRROR
        rule.mirror = name.text

    def shorthand(self, rule: Rule, token: Token, protocol: int, lists: dict) -> None:
        for name in ("proto", *lists):
            self.once(rule, name, token)
        rule.add("proto", [(protocol, protocol)])
        for name, values_of in lists.items():
            rule.add(name, [values_of])

    def special(self, rule: Rule, token: Token) -> None:
        if token.text == "not":
            if not self.taken("fragment"):
                raise _Mistake(self.peek(), '"fragment" behind "not"')
            self.once(rule, "fragment", token)
            rule.add("fragment", negate=True)
            return
        self.once(rule, token.text, token)
        if token.text == "fragment":
            rule.add("fragment")
            return
        if token.text == "limit":
            self.limit(rule)
            return
        negate = self.negated()
        if token.text == "type":
            rule.add("type", self.values(values.icmp_type(self.icmp_names(rule, token))), negate)
        elif token.text == "flags":
            shown = self.peek()
            try:
                rule.tcp = values.tcp_flags(",".join(item.text for item, _ in self.items()))
            except Wrong as wrong:
                raise _Mistake(shown, str(wrong)) from wrong
            rule.add("flags", negate=negate)
        else:
            for state in self.values(self.state):
                rule.states |= state
            rule.add("state", negate=negate)

    @staticmethod
    def state(word: str) -> int:
        if word not in values.STATES:
            raise Wrong(words(values.STATES) + suggestion(word, values.STATES))
        return values.STATES[word]

    @staticmethod
    def icmp_names(rule: Rule, token: Token) -> dict[str, int]:
        protocol = rule.only("proto")
        if protocol not in ({1}, {58}):
            raise _Mistake(token, '"icmp" or "icmp6" before it, which says whose types they are')
        return values.ICMP_TYPES if protocol == {1} else values.ICMP6_TYPES

    def amount(self, token: Token) -> tuple[int, str]:
        """'10/second', or '64 kbytes/second'; the unit is what follows the number."""
        number, slash, unit = token.text.partition("/")
        if not re.fullmatch(r"\d{1,9}", number):
            raise _Mistake(token, "a rate such as 10/second or 64 kbytes/second")
        return int(number), unit if slash else self.take().text

    def limit(self, rule: Rule) -> None:
        over, token = self.taken("over"), self.peek()
        amount, unit = self.amount(self.take())
        try:
            rule.rate, in_bytes = values.rate(amount, unit)
        except Wrong as wrong:
            shown = token.text if "/" in token.text else f"{amount} {unit}".strip()
            raise _Mistake(Token(shown, token.line), str(wrong)) from wrong
        rule.flags |= BYTES if in_bytes else 0
        # What comes in a tenth of a second, and a packet at least, may come at once.
        burst = max(rule.rate // 36000, 65550 if in_bytes else 5)
        if self.taken("burst"):
            token = self.take()
            if not re.fullmatch(r"\d{1,9}", token.text):
                raise _Mistake(token, "a number" + (" of bytes" if in_bytes else " of packets"))
            burst = int(token.text)
            if in_bytes and self.peek().text in values.SIZES:
                burst *= values.SIZES[self.take().text]
            if not 1 <= burst <= values.MAX_BURST:
                raise _Mistake(token, f"from 1 to {values.MAX_BURST}")
        rule.burst = min(burst, values.MAX_BURST)
        if rule.burst * 3600 >= values.MAX_FILL * rule.rate:
            raise _Mistake(token, "a burst that is there again within years")
        rule.add("limit", negate=over)

    def check(self, rule: Rule, token: Token) -> None:
        """What the conditions say about each other, and what follows from them."""
        if not rule.action and not rule.flags & (LOG | MIRROR):
            raise _Mistake(token, "an action")
        protocols, types = rule.only("proto"), rule.only("ethertype")
        if rule.has("flags") and not rule.has("proto"):
            rule.add("proto", [(6, 6)])
        elif rule.has("flags") and protocols != {6}:
            raise _Mistake(rule.said["flags"], "it only with tcp")
        for name in ("sport", "dport"):
            if rule.has(name) and protocols and not protocols <= values.WITH_PORTS:
                raise _Mistake(rule.said[name], "it only with tcp, udp, sctp or udplite")
        inner = [name for name in ("proto", "sport", "dport", "type", "flags", "fragment")
                 if name in rule.said]
        if inner and types and not types & {0x0800, 0x86DD}:
            raise _Mistake(rule.said[inner[0]], "it only with ip or ip6")
        family = self.family(rule, protocols, types)
        if family and not rule.has("ethertype") and protocols & {1, 58}:
            rule.add("ethertype", [(family, family)])

    @staticmethod
    def family(rule: Rule, protocols: set[int], types: set[int]) -> int:
        """The EtherType that ICMP and addresses ask for, 0 if none: all must ask for the same."""
        asked = []
        if protocols in ({1}, {58}):
            asked.append(("proto", 0x0800 if protocols == {1} else 0x86DD))
        for name in ("from", "to"):
            families = {prefix[0] for prefix in rule.listed(name)}
            if len(families) == 1 and not rule.negate >> CONDITIONS.index(name) & 1:
                asked.append((name, 0x0800 if families == {4} else 0x86DD))
        wanted = asked[0][1] if asked else 0
        for name, kind in asked:
            # ARP has addresses of IPv4 as well
            possible = types | ({0x0800} if 0x0806 in types else set())
            if kind != wanted or (types and kind not in possible):
                raise _Mistake(rule.said[name], "conditions that one frame can meet: not IPv4 and "
                               "IPv6 at once")
        return wanted


class _Arrays:
    """The arrays behind the header; equal lists once."""

    def __init__(self) -> None:
        self.ranges: list = []
        self.prefixes: list = []
        self.macs: list = []
        self.ports: list[str] = []

    def place(self, bit: int, items: list) -> tuple[int, int]:
        name = CONDITIONS[bit]
        array = (self.macs if name in ("smac", "dmac")
                 else self.prefixes if name in ("from", "to") else self.ranges)
        for at in range(len(array) - len(items) + 1):
            if array[at : at + len(items)] == items:
                return at, len(items)
        array += items
        return len(array) - len(items), len(items)

    def port(self, name: str) -> int:
        if not name:
            return 0
        if name not in self.ports:
            self.ports.append(name)
        return self.ports.index(name)


def _rule(rule: Rule, arrays: _Arrays) -> bytes:
    lists: list[int] = []
    for bit in range(LISTS):
        lists += arrays.place(bit, rule.lists[bit]) if bit in rule.lists else (0, 0)
    return RULE.pack(
        rule.match, rule.negate, rule.line, rule.action, rule.flags, rule.states, 0, *rule.tcp,
        arrays.port(rule.mirror), rule.burst, *lists, rule.rate,
    )


def _encode(rules: list[Rule], report: Report) -> bytes:
    arrays = _Arrays()
    parts = [b"".join(_rule(rule, arrays) for rule in rules)]
    parts.append(b"".join(RANGE.pack(*item) for item in arrays.ranges))
    parts.append(b"".join(PREFIX.pack(data, family, bits)
                          for family, data, bits in arrays.prefixes))
    parts.append(b"".join(MAC.pack(*item) for item in arrays.macs))
    parts.append(b"".join(PORT.pack(name.encode()) for name in arrays.ports))
    counts = [len(rules), len(arrays.ranges), len(arrays.prefixes), len(arrays.macs),
              len(arrays.ports)]
    places, body = [], b""
    for part, count in zip(parts, counts):
        places += [HEADER.size + len(body), count]
        body += part + bytes(-len(part) % 8)
    last = rules[-1].line if rules else 1
    work = sum(len(items) for rule in rules for items in rule.lists.values())
    if work > MAX_WORK:
        report.error(last, "", f"found {work} values in all rules, expected at most {MAX_WORK}")
    if HEADER.size + len(body) > MAX_SIZE:
        report.error(last, "", f"found {HEADER.size + len(body)} bytes when compiled, "
                     f"expected at most {MAX_SIZE}")
    if len(arrays.ports) > MAX_PORTS:
        report.error(last, "", f"found {len(arrays.ports)} ports, expected at most {MAX_PORTS}")
    return HEADER.pack(MAGIC, VERSION, HEADER.size + len(body), *places) + body


def compile_rules(text: str, name: str) -> bytes:
    """The rule set that `text` says; messages call the file `name`. Raises DescriptionError."""
    report = Report(name)
    rules = _Parser(text, report).parse()
    report.stop_if_errors()
    data = _encode(rules, report)
    report.stop_if_errors()
    return data


def count(data: bytes) -> int:
    """Rules of a compiled set; b"": it could not be compiled."""
    return HEADER.unpack_from(data)[4] if data else 0


def mirror_ports(data: bytes) -> list[str]:
    """The names of ports that a compiled rule set mirrors to; b"": it could not be compiled."""
    if not data:
        return []
    offset, count = HEADER.unpack_from(data)[11:13]
    return [PORT.unpack_from(data, offset + index * PORT.size)[0].rstrip(b"\0").decode()
            for index in range(count)]

#!/usr/bin/env python3
"""Reads what Strongroom stores, without any of its code.

This file is written from `docs/formats.md` alone, with Python's own library and the `cryptography`
package, as a stranger would write it: to get at their data without us, or to check what we say. It is
meant to be read. The sections follow those of `formats.md`.

It takes no arguments. It reads every vector in this folder and checks that it has its stated outcome;
then it changes good vectors in many ways and checks that each change is refused; and if it finds the
`strongroom` program (environment variable STRONGROOM_BIN), it opens databases that the program has
just written, one on SoftHSM with one tenant's exported key, one with nothing but the passphrase of a
software device. Its last line is `N passed, N failed, N skipped`; it exits with 1 if anything failed.
"""

import base64
import hashlib
import hmac
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import traceback
from copy import deepcopy
from pathlib import Path

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

FOLDER = Path(__file__).resolve().parent


class Refused(Exception):
    """What was read is not what Strongroom wrote. The only way in which this reader says no."""


def demand(condition, why):
    if not condition:
        raise Refused(why)


def u32(number):
    return number.to_bytes(4, "big")


def u64(number):
    return number.to_bytes(8, "big")


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def hmac_sha256(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


class Bytes:
    """Reads bytes from the front, and says no where there are too few or some are left over."""

    def __init__(self, data, what):
        self.data, self.at, self.what = data, 0, what

    def take(self, count):
        demand(len(self.data) - self.at >= count, f"{self.what}: too short")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, count):
        return int.from_bytes(self.take(count), "big")

    def rest(self):
        return self.take(len(self.data) - self.at)

    def end(self):
        demand(self.at == len(self.data), f"{self.what}: longer than it should be")


# ── §1 enc ───────────────────────────────────────────────────────────────────────────────────────────


def enc(*fields):
    """Each field behind its length, so that no two lists of fields give the same bytes."""
    fields = [field.encode() if isinstance(field, str) else field for field in fields]
    return b"".join(u32(len(field)) + field for field in fields)


def optional(value):
    """An optional field: empty when absent, 01 and the bytes when present."""
    return b"" if value is None else b"\x01" + value


# ── XAES-256-GCM (c2sp.org/XAES-256-GCM) ─────────────────────────────────────────────────────────────
#
# AES-256-GCM under a key derived from the first half of a 192-bit nonce: NIST SP 800-108 in counter
# mode with AES-CMAC, whose messages are one block each, so that a CMAC is one call of AES.


def xaes_subkey(key, nonce):
    def aes(block):
        encryptor = Cipher(algorithms.AES256(key), modes.ECB()).encryptor()
        return encryptor.update(block) + encryptor.finalize()

    subkey = int.from_bytes(aes(bytes(16)), "big") << 1  # CMAC's K1: doubling in GF(2^128)
    if subkey >> 128:
        subkey = (subkey & (1 << 128) - 1) ^ 0b10000111

    def cmac(block):
        return aes((int.from_bytes(block, "big") ^ subkey).to_bytes(16, "big"))

    return cmac(b"\x00\x01X\x00" + nonce[:12]) + cmac(b"\x00\x02X\x00" + nonce[:12])


def xaes_seal(key, nonce, plaintext, associated_data):
    return AESGCM(xaes_subkey(key, nonce)).encrypt(nonce[12:], plaintext, associated_data)


def xaes_open(key, nonce, ciphertext, associated_data):
    demand(len(ciphertext) >= 16, "sealed bytes: too short")
    try:
        return AESGCM(xaes_subkey(key, nonce)).decrypt(nonce[12:], ciphertext, associated_data)
    except InvalidTag:
        raise Refused("sealed bytes: the tag is wrong") from None


# ── §2 Keys ──────────────────────────────────────────────────────────────────────────────────────────


def check_input(deployment, version):
    return enc("strongroom/check/v1", deployment, u32(version))


def prf_input(deployment, tenant, salt, version, key_epoch):
    return enc("strongroom/tenant/v1", deployment, tenant, salt, u32(version), u32(key_epoch))


def wrap_info(deployment, tenant, version, key_epoch):
    return enc("strongroom/wrap/v1", deployment, tenant, u32(version), u32(key_epoch))


def hkdf_expand(prk, info):
    return HKDFExpand(hashes.SHA256(), 32, info).derive(prk)


SECRET_DATA, INDEX, PSEUDONYM, METADATA = 1, 2, 3, 4
ACTIVE, RETIRED = 1, 2


class Keyring:
    """A tenant's keys: (purpose, status, id, version, created at, key)."""

    def __init__(self, plaintext):
        data = Bytes(plaintext, "keyring")
        demand(data.number(1) == 1, "keyring: unknown format")
        self.keys = []
        for _ in range(data.number(2)):
            purpose, status = data.number(1), data.number(1)
            demand(purpose in (1, 2, 3, 4), "keyring: unknown purpose")
            demand(status in (ACTIVE, RETIRED), "keyring: unknown status")
            self.keys.append((purpose, status, data.take(16), data.number(4), data.number(8), data.take(32)))
        data.end()
        for purpose in (1, 2, 3, 4):
            versions = [key[3] for key in self.keys if key[0] == purpose]
            demand(len(set(versions)) == len(versions) and 0 not in versions, "keyring: versions")
            demand(any(key[:2] == (purpose, ACTIVE) for key in self.keys), "keyring: no active key of a purpose")

    def in_use(self, purpose):
        return max((key for key in self.keys if key[:2] == (purpose, ACTIVE)), key=lambda key: key[3])

    def find(self, purpose, key_id, version):
        for key in self.keys:
            if (key[0], key[2], key[3]) == (purpose, key_id, version):
                return key[5]
        raise Refused("sealed bytes: under a key that is not in the keyring")


class Tenant:
    """A tenant's keys, and what is done with them."""

    def __init__(self, deployment, tenant, prk, root_id, root_version, key_epoch, sealed_keyring):
        self.deployment, self.ref = deployment, tenant
        self.wrap_key = hkdf_expand(prk, wrap_info(deployment, tenant, root_version, key_epoch))
        header = SealedHeader(sealed_keyring)
        demand(header.format == 4, "keyring: not a wrapped key")
        demand((header.key_id, header.key_version) == (root_id, root_version), "keyring: of another root key")
        aad = associated_data(deployment, tenant, "keyring", tenant, key_epoch, header)
        self.keyring = Keyring(xaes_open(self.wrap_key, header.nonce, header.ciphertext, aad))

    # §3
    def open(self, kind, object_id, version, sealed):
        """Type and content of sealed bytes, if they belong to this place."""
        header = SealedHeader(sealed)
        demand(header.format == 1, "sealed bytes: not a stored value")
        key = self.keyring.find(SECRET_DATA, header.key_id, header.key_version)
        aad = associated_data(self.deployment, self.ref, kind, object_id, version, header)
        content_type, content = decode_content(xaes_open(key, header.nonce, header.ciphertext, aad))
        # Types 1 to 3 are values, and 0 is everything else.
        demand((content_type != 0) == (kind == "secret.value"), "content: not of this type")
        return content_type, content

    def open_name(self, kind, object_id, sealed):
        return self.open(kind, object_id, 0, sealed)[1]

    # §4
    def index(self, kind, value):
        key = self.keyring.in_use(INDEX)[5]
        return hmac_sha256(key, enc("strongroom/index/v1", kind, value))[:16]

    def pseudonym(self, kind, value):
        """The pseudonym and the version of its key."""
        key = self.keyring.in_use(PSEUDONYM)
        return hmac_sha256(key[5], enc("strongroom/pseudonym/v1", kind, value))[:16], key[3]

    # §5
    def row_mac(self, table, row):
        return hmac_sha256(self.keyring.in_use(METADATA)[5], row_input(table, self.ref, row))

    def check_row(self, table, row):
        demand(hmac.compare_digest(self.row_mac(table, row), row["mac"]), f"a row of `{table}`: its MAC is wrong")


# ── §3 Sealed bytes ──────────────────────────────────────────────────────────────────────────────────


class SealedHeader:
    def __init__(self, sealed):
        data = Bytes(sealed, "sealed bytes")
        self.format, self.algorithm = data.number(1), data.number(1)
        demand(self.format in (1, 2, 3, 4), "sealed bytes: unknown format")
        demand(self.algorithm == 1, "sealed bytes: unknown algorithm")
        self.key_id, self.key_version, self.nonce = data.take(16), data.number(4), data.take(24)
        self.ciphertext = data.rest()


def associated_data(deployment, tenant, kind, object_id, version, header, context=b""):
    """Where the bytes belong. Moved anywhere else, they do not open."""
    numbers = bytes([header.format]), bytes([header.algorithm])
    place = deployment, tenant, kind, object_id, u64(version)
    return enc("strongroom/aad/v1", *place, *numbers, header.key_id, u32(header.key_version), context)


def padded_bytes(count):
    padded = -(-count // 32) * 32
    return padded if padded <= 1024 else count


def decode_content(encoded):
    data = Bytes(encoded, "content")
    content_type, length = data.number(1), data.number(4)
    demand(content_type in (0, 1, 2, 3), "content: unknown type")
    content, padding = data.take(length), data.rest()
    demand(len(encoded) == padded_bytes(5 + length), "content: not padded as it should be")
    demand(not any(padding), "content: padding that is not zero")
    return content_type, content


def encode_content(content_type, content):
    encoded = bytes([content_type]) + u32(len(content)) + content
    return encoded + bytes(padded_bytes(len(encoded)) - len(encoded))


# ── §5 Rows ──────────────────────────────────────────────────────────────────────────────────────────

# What is authenticated of each table: the column with the row's id, then the columns in their order.
COLUMNS = {
    "deployment": (
        "deployment",
        "origin, u32 generation, sys_ref, profile, recovery, u64 created_at",
    ),
    "tenants": (
        "ref",
        "u64 number, name_hash, name, salt, u32 root_version, u32 key_epoch, keyring, u8 state, settings,"
        " u64 created_at",
    ),
    "secrets": (
        "id",
        "name_hash, parent_hash, name, meta, u8 enabled, u64 latest, u64 current, u64? pending, u64? previous,"
        " settings, u64 created_at, u64 updated_at",
    ),
    "secret_versions": (None, "u8 state, u64 created_at, u64? expires_at, value"),
    "folders": ("id", "name_hash, parent_hash, name"),
    "actors": ("handle", "name_hash, name"),
}


def row_input(table, tenant, row):
    id_column, columns = COLUMNS[table]
    row_id = row[id_column] if id_column else enc(row["secret"], u64(row["version"]))
    fields = []
    for column in columns.split(","):
        *kind, name = column.split()
        value = row[name]
        try:
            match kind:
                case []:
                    fields.append(value)
                case ["u8"]:
                    fields.append(value.to_bytes(1, "big"))
                case ["u32"]:
                    fields.append(u32(value))
                case ["u64"]:
                    fields.append(u64(value))
                case ["u64?"]:
                    fields.append(optional(None if value is None else u64(value)))
        except (OverflowError, AttributeError):
            raise Refused(f"a row of `{table}`: {name}") from None
    return enc("strongroom/row/v1", table, tenant, row_id, u64(row["revision"]), *fields)


def row_hash(mac):
    """What the audit line of a change says of the row."""
    return sha256(mac)[:16]


# ── §6 Audit lines ───────────────────────────────────────────────────────────────────────────────────


def is_hex(text, digits):
    return isinstance(text, str) and len(text) == digits and all(c in "0123456789abcdef" for c in text)


def is_text(value, limit):
    return isinstance(value, str) and 0 < len(value) <= limit


def is_number(value, limit=2**53):
    return type(value) is int and 0 <= value < limit


def is_object(value, required, others=()):
    return isinstance(value, dict) and set(required) <= set(value) <= set(required) | set(others)


def is_row(value):
    return is_object(value, ("h", "rev")) and is_hex(value["h"], 32) and is_number(value["rev"])


LINE_KEYS = {
    "act": lambda v: is_text(v, 64),
    "det": lambda v: is_hex(v, 64),
    "ep": lambda v: is_number(v, 2**32),
    "log": lambda v: is_text(v, 255),
    "n": is_number,
    "obj": lambda v: is_object(v, ("id", "t"), ("ver",))
    and is_hex(v["id"], 32)
    and is_text(v["t"], 32)
    and is_number(v.get("ver", 0)),
    "ph": lambda v: v in ("result", "intent"),
    "pk": lambda v: is_number(v, 2**32),
    "pos": lambda v: is_number(v, 2**32),
    "prev": lambda v: is_hex(v, 64),
    "res": lambda v: is_object(v, ("code", "ok"))
    and is_text(v["code"], 64)
    and type(v["ok"]) is bool
    and v["ok"] == (v["code"] == "ok"),
    "rid": lambda v: is_hex(v, 32),
    "row": is_row,
    "seq": is_number,
    "src": lambda v: is_object(v, ("ip",)) and is_hex(v["ip"], 32),
    "ts": is_number,
    "v": lambda v: v == 1 and type(v) is int,
    "vrow": is_row,
    "who": lambda v: is_object(v, ("id", "t"))
    and is_hex(v["id"], 32)
    and v["t"] in ("user", "service", "operator", "system")
    and (v["t"] == "system") == (v["id"] == "0" * 32),
}
LINE_OPTIONAL = {"det", "n", "obj", "pk", "pos", "row", "src", "vrow"}


def parse_line(line):
    """One line, from its bytes. There is exactly one way to write it, so writing it again gives the same bytes."""
    demand(len(line) <= 16 * 1024, "line: too long")
    demand(all(0x20 <= byte < 0x7F and byte != 0x5C for byte in line), "line: not printable ASCII without \\")
    try:
        parsed = json.loads(line)
    except (ValueError, RecursionError):
        raise Refused("line: not JSON") from None
    demand(isinstance(parsed, dict), "line: not an object")
    for key, value in parsed.items():
        demand(key in LINE_KEYS, f"line: unknown key {key}")
        demand(LINE_KEYS[key](value), f"line: {key}")
    demand(not LINE_KEYS.keys() - LINE_OPTIONAL - parsed.keys(), "line: a key is missing")
    again = json.dumps(parsed, sort_keys=True, separators=(",", ":")).encode()
    demand(again == line, "line: not in its one form")
    return parsed


def leaf_hash(data):
    return sha256(b"\x00", data)


def node_hash(left, right):
    return sha256(b"\x01", left, right)


def genesis_hash(log, epoch_key, previous=b""):
    """What the first line of a log has for `prev`."""
    return sha256(b"sr-genesis/v1\x00", log.encode(), b"\x00", epoch_key, previous)


# ── §7 Trees ─────────────────────────────────────────────────────────────────────────────────────────


class Tree:
    """An RFC 6962 tree that grows: the roots of its perfect subtrees, the largest first."""

    def __init__(self):
        self.size, self.peaks = 0, []

    def append(self, leaf):
        size = self.size
        while size & 1:  # A perfect subtree on the right for each trailing one of the size.
            leaf = node_hash(self.peaks.pop(), leaf)
            size >>= 1
        self.peaks.append(leaf)
        self.size += 1

    def root(self):
        if not self.peaks:
            return sha256()
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node_hash(peak, root)
        return root

    def frontier(self):
        """As the database keeps it."""
        return u64(self.size) + b"".join(self.peaks)


def included(index, size, leaf, proof, root):
    """RFC 9162 §2.1.3.2: whether the proof leads from the leaf to the root."""
    demand(index < size, "inclusion: no such leaf")
    fn, sn, hash_ = index, size - 1, leaf
    for node in proof:
        demand(sn != 0, "inclusion: the proof is too long")
        if fn & 1 or fn == sn:
            hash_ = node_hash(node, hash_)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            hash_ = node_hash(hash_, node)
        fn, sn = fn >> 1, sn >> 1
    demand(sn == 0, "inclusion: the proof is too short")
    demand(hash_ == root, "inclusion: the proof leads elsewhere")


EMPTY_POSITIONS = [leaf_hash(b"sr-head-empty/v1")]
while len(EMPTY_POSITIONS) <= 24:
    EMPTY_POSITIONS.append(node_hash(EMPTY_POSITIONS[-1], EMPTY_POSITIONS[-1]))


def heads_size(positions):
    """So many leaves that their number tells nobody how many tenants there are."""
    size = 1024
    while size <= max(positions):
        size *= 2
    return size


def heads_root(leaves):
    """The root of the heads tree: a leaf at each position in use, and the empty leaf everywhere else."""

    def root(start, level):
        inside = [position for position in leaves if start <= position < start + (1 << level)]
        if not inside:
            return EMPTY_POSITIONS[level]
        if level == 0:
            return leaves[start]
        return node_hash(root(start, level - 1), root(start + (1 << level - 1), level - 1))

    return root(0, heads_size(leaves).bit_length() - 1)


def head_leaf(ref, size, root, status):
    return leaf_hash(b"sr-head/v1" + ref + u64(size) + root + bytes([status]))


def parse_commit(leaf):
    data = Bytes(leaf, "commit")
    demand(data.take(12) == b"sr-commit/v1", "commit: not one")
    commit = {"n": data.number(8), "time": data.number(8), "epoch": data.number(4)}
    commit |= {"heads_root": data.take(32), "stats": data.take(32)}
    data.end()
    return commit


# ── §7 Signed notes (c2sp.org/signed-note) ───────────────────────────────────────────────────────────


def b64(text):
    """The standard alphabet, padded, in its one form."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except ValueError:
        raise Refused("base64") from None
    demand(base64.b64encode(decoded).decode() == text, "base64")
    return decoded


def write_vkey(name, key):
    key = b"\x01" + key
    key_id = sha256(name.encode(), b"\n", key)[:4]
    return f"{name}+{key_id.hex()}+{base64.b64encode(key).decode()}"


class VerifyingKey:
    """A vkey: `name+key id+base64(01 ‖ key)`, the key id being the hash of all the rest."""

    def __init__(self, vkey):
        parts = vkey.split("+", 2)
        demand(len(parts) == 3, "vkey")
        self.name, key = parts[0], b64(parts[2])
        demand(len(key) == 33 and key[0] == 1, "vkey: not Ed25519")
        self.key = key[1:]
        self.id = sha256(self.name.encode(), b"\n", key)[:4]
        demand(parts[1] == self.id.hex(), "vkey: its key id is wrong")

    def verify(self, message, signature):
        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, message)
        except (InvalidSignature, ValueError):
            raise Refused(f"a signature of {self.name} is wrong") from None


def open_note(note, key):
    """The text of a note, once this key has signed it."""
    try:
        note = note.decode()
    except UnicodeDecodeError:
        raise Refused("note: not text") from None
    text, blank, signatures = note.rpartition("\n\n")
    demand(blank and signatures.endswith("\n"), "note: not one")
    text += "\n"
    ours = 0
    for line in signatures[:-1].split("\n"):
        dash, _, rest = line.partition(" ")
        name, _, signature = rest.partition(" ")
        demand(dash == "—" and name, "note: not a signature line")
        signature = b64(signature)
        if name == key.name and signature[:4] == key.id:
            key.verify(text.encode(), signature[4:])
            ours += 1
    demand(ours == 1, f"note: not signed once by {key.name}")
    return text


def decimal(text):
    demand(text.isascii() and text.isdigit() and str(int(text)) == text, "a number is not in its one form")
    return int(text)


def unhex(text, count=None):
    demand(len(text) % 2 == 0 and is_hex(text, len(text)), "not hex")
    demand(count is None or len(text) == 2 * count, "hex of the wrong length")
    return bytes.fromhex(text)


def checkpoint_text(name, size, root):
    return f"{name}\n{size}\n{base64.b64encode(root).decode()}\n"


CERTIFICATE_LINES = "deployment", "epoch", "key", "opened", "ends", "hard-limit", "seen", "boot"


def open_certificate(note, root_key, origin):
    """An epoch certificate: what the device says of a key that signs commits."""
    return parse_certificate(open_note(note, root_key), origin) | {"hash": sha256(note)}


def parse_certificate(text, origin):
    lines = text.split("\n")
    demand(lines[:2] == [f"{origin}/epochs", "strongroom-epoch/v1"], "certificate: of something else")
    demand(len(lines) == 3 + len(CERTIFICATE_LINES) and lines[-1] == "", "certificate: its lines")
    said = {}
    for name, line in zip(CERTIFICATE_LINES, lines[2:]):
        tag, _, said[name] = line.partition(" ")
        demand(tag == name, f"certificate: no {name}")
    size, _, root = said["seen"].partition(" ")
    certificate = {name: decimal(said[name]) for name in ("epoch", "opened", "ends", "hard-limit")}
    certificate |= {"deployment": unhex(said["deployment"], 16), "boot": unhex(said["boot"], 16)}
    certificate |= {"key": VerifyingKey(said["key"]), "seen": (decimal(size), b64(root))}
    demand(certificate["key"].name == f"{origin}/heads", "certificate: a key of another name")
    demand(certificate["opened"] <= certificate["ends"] <= certificate["hard-limit"], "certificate: its times")
    return certificate


# ── §8 Bundles ───────────────────────────────────────────────────────────────────────────────────────


class Log:
    """One log while it is read: position in the heads tree, ref, status, and its lines' tree."""

    def __init__(self, name, position, ref, status=1):
        self.name, self.position, self.ref, self.status = name, position, ref, status
        self.tree, self.last, self.time = Tree(), None, 0

    def append(self, line, bytes_):
        demand(line["seq"] == self.tree.size, f"{self.name}: line {self.tree.size} is not there")
        demand(self.last is None or line["prev"] == self.last.hex(), f"{self.name}: the chain breaks")
        demand(line["ts"] >= self.time, f"{self.name}: time goes back")
        self.time, self.last = line["ts"], leaf_hash(bytes_)
        self.tree.append(self.last)

    def leaf(self):
        return head_leaf(self.ref, self.tree.size, self.tree.root(), self.status)


class FullBundle:
    """A whole deployment's log, read in one pass. Everything in it follows from the root key."""

    def __init__(self, records, root_key):
        self.records, self.at = records, 0
        self.lines, self.steps = [], {"epochs": [], "genesis": [], "commits": []}
        demand(self.next("strongroom-bundle/v1") == "full", "bundle: not a full one")
        self.first_origin = self.next("origin")
        demand(root_key.name == f"{self.first_origin}/root", "bundle: the root key is another deployment's")
        self.root_key, self.generation, previous = root_key, 0, b""
        while self.peek() == "generation":
            previous = self.read_generation(previous)
        demand(self.generation > 0, "bundle: no generation")
        demand(decimal(self.next("end")) == len(self.lines), "bundle: it does not end with its number of lines")
        demand(self.at == len(self.records), "bundle: more after its end")

    def peek(self):
        return self.records[self.at].partition(" ")[0] if self.at < len(self.records) else ""

    def next(self, tag):
        demand(self.peek() == tag, f"bundle: `{tag}` is missing")
        self.at += 1
        return self.records[self.at - 1].partition(" ")[2]

    def read_generation(self, previous):
        self.generation += 1
        k = self.generation
        self.origin = self.first_origin if k == 1 else f"{self.first_origin}/g{k}"
        fields = self.next("generation").split(" ")
        demand(len(fields) == 3 and decimal(fields[0]) == k, "bundle: generations out of order")
        if k == 1:
            demand(fields[1:] == ["0", "-"], "bundle: generation 1 begins with nothing")
        else:
            ended = u64(decimal(fields[1])) + b64(fields[2])
            demand(ended == previous, "bundle: not what the last generation ended with")
        self.previous = previous

        logs, self.epochs, self.closed, self.opened = {}, {}, set(), set()
        while self.peek() == "tenant":
            position, ref, status = self.next("tenant").split(" ")
            position, ref = decimal(position), unhex(ref, 16)
            name = f"{self.origin}/sys" if position == 0 else f"{self.origin}/t/{ref.hex()}"
            demand(not any(log.position == position for log in logs.values()), "bundle: a position twice")
            demand(name not in logs and status in ("1", "2"), "bundle: a tenant")
            logs[name] = Log(name, position, ref, int(status))
        demand(f"{self.origin}/sys" in logs and (k > 1 or len(logs) == 1), "bundle: what the generation starts with")
        if k > 1:
            known = {(log.position, log.ref, log.status) for log in self.logs.values()}
            demand(known == {(log.position, log.ref, log.status) for log in logs.values()}, "bundle: other tenants")
        self.logs = logs
        self.head_log, self.commits, self.generation_lines = Tree(), [], 0

        while True:
            match self.peek():
                case "epoch":
                    self.read_epoch()
                case "commit":
                    self.read_commit()
                case _:
                    break
        demand(self.commits, "bundle: a generation without commits")
        note = b64(self.next("checkpoint"))
        signer = self.epochs[self.commits[-1]["epoch"]]["key"]
        want = checkpoint_text(f"{self.origin}/heads", self.head_log.size, self.head_log.root())
        demand(open_note(note, signer) == want, "checkpoint: of another size or root")
        return u64(self.head_log.size) + self.head_log.root()

    def read_epoch(self):
        note = b64(self.next("epoch"))
        certificate = open_certificate(note, self.root_key, self.origin)
        demand(certificate["epoch"] not in self.epochs, "certificate: a number twice")
        demand(certificate["seen"] == (self.head_log.size, self.head_log.root()), "certificate: it saw another log")
        self.epochs[certificate["epoch"]] = certificate
        text = note.decode().rpartition("\n\n")[0] + "\n"
        key, hash_ = certificate["key"].key.hex(), certificate["hash"].hex()
        self.steps["epochs"].append({"epoch": certificate["epoch"], "key": key, "text": text, "hash": hash_})

    def read_commit(self):
        fields = self.next("commit").split(" ")
        demand(len(fields) == 2, "bundle: a commit")
        leaf, blind = b64(fields[0]), unhex(fields[1], 16)
        commit = parse_commit(leaf)
        demand(commit["n"] == self.head_log.size, "commit: its number")
        demand(not self.commits or commit["time"] >= self.commits[-1]["time"], "commit: time goes back")
        demand(commit["epoch"] in self.epochs, "commit: by an epoch that was never certified")
        epoch = self.epochs[commit["epoch"]]
        demand(epoch["opened"] <= commit["time"] <= epoch["hard-limit"], "commit: outside its epoch's time")
        demand(commit["epoch"] not in self.closed, "commit: by an epoch that was closed")
        closing = []
        lines = []
        while self.peek() == "line":
            bytes_ = self.next("line").encode()
            line = parse_line(bytes_)
            demand((line["ep"], line["ts"]) == (commit["epoch"], commit["time"]), "line: of another commit")
            self.apply(line, closing)
            demand(line["log"] in self.logs, "line: of a log that does not exist")
            log = self.logs[line["log"]]
            if log.last is None:
                log.last = genesis_hash(log.name, epoch["key"].key, self.previous)
                self.steps["genesis"].append({"log": log.name, "genesis": log.last.hex()})
            log.append(line, bytes_)
            self.lines.append((line, bytes_))
            self.generation_lines += 1
            step = {"log": log.name, "seq": line["seq"], "leaf": log.last.hex(), "root": log.tree.root().hex()}
            lines.append(step | {"frontier": log.tree.frontier().hex()})
        demand(lines, "commit: without a line")
        demand(commit["epoch"] in self.opened, "commit: before its epoch was opened")
        self.closed.update(closing)

        heads = {log.position: log.leaf() for log in self.logs.values()}
        demand(heads_root(heads) == commit["heads_root"], "commit: the heads are not those of the lines")
        stats = sha256(b"sr-stats/v1", blind, u64(len(self.logs)), u64(self.generation_lines))
        demand(stats == commit["stats"], "commit: its counts")
        self.head_log.append(leaf_hash(leaf))
        self.commits.append(commit | {"root": self.head_log.root()})
        self.steps["commits"].append(
            {
                "lines": lines,
                "heads": {str(position): head.hex() for position, head in heads.items()},
                "heads_root": commit["heads_root"].hex(),
                "tenants": len(self.logs),
                "lines_total": self.generation_lines,
                "stats": stats.hex(),
                "leaf": leaf_hash(leaf).hex(),
                "frontier": self.head_log.frontier().hex(),
                "root": self.head_log.root().hex(),
            }
        )

    def apply(self, line, closing):
        """What the lines of `sys` explain: which logs there are, and which epochs."""
        if line["log"] != f"{self.origin}/sys" or not line["res"]["ok"] or line["ph"] != "result":
            return
        act, obj = line["act"], line.get("obj")
        if act == "tenant.create":
            demand(obj and "pos" in line, "tenant.create: what, and where?")
            ref, position = unhex(obj["id"], 16), line["pos"]
            name = f"{self.origin}/t/{ref.hex()}"
            used = [log.position for log in self.logs.values()]
            size = heads_size(used)
            limit = min(size if 2 * len(used) < size else 2 * size, 2**24)
            demand(name not in self.logs and position not in used and position < limit, "tenant.create: where")
            self.logs[name] = Log(name, position, ref)
        elif act == "tenant.close":
            name = f"{self.origin}/t/{obj['id']}" if obj else ""
            demand(name in self.logs and self.logs[name].status == 1, "tenant.close: whom?")
            self.logs[name].status = 2
        elif act in ("epoch.open", "epoch.close"):
            epoch = self.epochs.get(obj["ver"] if obj and "ver" in obj else None)
            demand(epoch, f"{act}: which?")
            want = {"id": epoch["hash"][:16].hex(), "t": "epoch", "ver": epoch["epoch"]}
            demand(obj == want, f"{act}: another certificate")
            if act == "epoch.open":
                demand(line.get("det") == epoch["hash"].hex(), "epoch.open: another certificate")
                self.opened.add(epoch["epoch"])
            else:
                closing.append(epoch["epoch"])

    def check_receipt(self, receipt):
        """A receipt is a line's place and hash, and the signature of the commit that has it."""
        demand(receipt["origin"] in self.logs, "receipt: of another log")
        size = receipt["head_size"]
        demand(0 < size <= len(self.commits), "receipt: of a commit that is not there")
        commit = self.commits[size - 1]
        demand(commit["root"].hex() == receipt["head_root"], "receipt: of another head log")
        demand(commit["epoch"] == receipt["epoch"], "receipt: of another epoch")
        text = checkpoint_text(f"{self.origin}/heads", size, unhex(receipt["head_root"], 32))
        self.epochs[receipt["epoch"]]["key"].verify(text.encode(), unhex(receipt["signature"], 64))
        found = [
            line
            for step in self.steps["commits"][:size]
            for line in step["lines"]
            if (line["log"], line["seq"]) == (receipt["origin"], receipt["seq"])
        ]
        demand(found and found[0]["leaf"] == receipt["leaf"], "receipt: the line is not there")


def open_tenant_bundle(records, root_key):
    """One tenant's log, with the proofs that lead from its last line to a signed checkpoint."""
    at = 0

    def next_(tag):
        nonlocal at
        demand(at < len(records) and records[at].partition(" ")[0] == tag, f"bundle: `{tag}` is missing")
        at += 1
        return records[at - 1].partition(" ")[2]

    demand(next_("strongroom-bundle/v1") == "tenant", "bundle: not a tenant's")
    first_origin = next_("origin")
    demand(root_key.name == f"{first_origin}/root", "bundle: the root key is another deployment's")
    fields = next_("generation").split(" ")
    demand(len(fields) == 3, "bundle: its generation")
    k = decimal(fields[0])
    origin = first_origin if k == 1 else f"{first_origin}/g{k}"
    previous = b"" if k == 1 else u64(decimal(fields[1])) + b64(fields[2])
    demand(k > 1 or fields[1:] == ["0", "-"], "bundle: generation 1 begins with nothing")
    epoch = open_certificate(b64(next_("epoch")), root_key, origin)
    position, _, ref = next_("log").partition(" ")
    position, ref = decimal(position), unhex(ref, 16)
    log = Log(f"{origin}/sys" if position == 0 else f"{origin}/t/{ref.hex()}", position, ref)
    lines = []
    while at < len(records) and records[at].startswith("line "):
        bytes_ = next_("line").encode()
        line = parse_line(bytes_)
        demand(line["log"] == log.name, "line: of another log")
        if log.last is None and line["ep"] == epoch["epoch"]:
            log.last = genesis_hash(log.name, epoch["key"].key, previous)
        log.append(line, bytes_)
        lines.append(line)

    size, root, status = next_("head").split(" ")
    demand((decimal(size), b64(root)) == (log.tree.size, log.tree.root()), "bundle: the head is not that of the lines")
    demand(status in ("1", "2"), "bundle: the head's status")
    tree_size, *proof = next_("heads-proof").split(" ")
    leaf = b64(next_("commit-leaf"))
    commit = parse_commit(leaf)
    head = head_leaf(ref, log.tree.size, log.tree.root(), int(status))
    included(position, decimal(tree_size), head, [b64(node) for node in proof], commit["heads_root"])
    proof = [b64(node) for node in next_("commit-proof").split(" ") if node]
    demand(commit["epoch"] == epoch["epoch"], "bundle: the certificate of another epoch")
    demand(epoch["opened"] <= commit["time"] <= epoch["hard-limit"], "commit: outside its epoch's time")
    checkpoint = open_note(b64(next_("checkpoint")), epoch["key"]).split("\n")
    demand(len(checkpoint) == 4 and checkpoint[0] == f"{origin}/heads", "checkpoint: its text")
    head_size = decimal(checkpoint[1])
    demand(commit["n"] == head_size - 1, "bundle: not the last commit")
    included(commit["n"], head_size, leaf_hash(leaf), proof, b64(checkpoint[2]))
    demand(decimal(next_("end")) == len(lines) and at == len(records), "bundle: its end")
    return log, lines


PROOF_RECORDS = "line", "log", "head", "entry-proof", "heads-proof"
PROOF_RECORDS += "commit-leaf", "commit-proof", "checkpoint", "epoch"


class EntryProof:
    """The proof of one line: from the root key down to it. Nothing else is needed, and nothing in it is believed."""

    def __init__(self, file, root_key):
        demand(file.startswith(b"strongroom-proof/v1"), "proof: not one")
        demand(len(file) <= 24 * 1024 and file.isascii(), "proof: too long, or no text")
        first, *records = file.decode().split("\n")
        demand(first == "strongroom-proof/v1", "proof: of another version")
        demand(len(records) == len(PROOF_RECORDS) + 1 and records[-1] == "", "proof: its number of records")
        said = {}
        for tag, record in zip(PROOF_RECORDS, records):
            found, blank, said[tag] = record.partition(" ")
            demand((found, blank) == (tag, " "), f"proof: no `{tag}` where it belongs")

        # The line, and whose log it says it is in.
        self.bytes = said["line"].encode()
        self.line, self.leaf = parse_line(self.bytes), leaf_hash(self.bytes)
        position, ref = self.fields(said, "log", 2)
        position, ref = decimal(position), unhex(ref, 16)
        demand(position < 2**32, "proof: no position in a heads tree")
        deployment = self.line["log"].removesuffix("/sys" if position == 0 else f"/t/{ref.hex()}")
        demand(deployment != self.line["log"], "proof: the line is of another log")
        first_origin = root_key.name.removesuffix("/root")
        demand(first_origin != root_key.name, "proof: not a root key")
        _, later, k = deployment.rpartition(f"{first_origin}/g")
        is_later = later and deployment == f"{first_origin}/g{k}" and decimal(k) > 1
        demand(deployment == first_origin or is_later, "proof: the root key is another deployment's")

        # What the device says of the epoch's key, and that key of the head log.
        data = Bytes(b64(said["epoch"]), "proof: epoch")
        self.certificate = "".join(
            (
                f"{deployment}/epochs\nstrongroom-epoch/v1\n",
                f"deployment {data.take(16).hex()}\n",
                f"epoch {data.number(4)}\n",
                f"key {write_vkey(f'{deployment}/heads', data.take(32))}\n",
                f"opened {data.number(8)}\n",
                f"ends {data.number(8)}\n",
                f"hard-limit {data.number(8)}\n",
                f"seen {data.number(8)} {base64.b64encode(data.take(32)).decode()}\n",
                f"boot {data.take(16).hex()}\n",
            )
        )
        root_key.verify(self.certificate.encode(), data.take(64))
        data.end()
        self.epoch = parse_certificate(self.certificate, deployment)
        size, root, signature = self.fields(said, "checkpoint", 3)
        self.name, self.size, self.root = f"{deployment}/heads", decimal(size), self.hash(root)
        self.checkpoint = checkpoint_text(self.name, self.size, self.root)
        self.epoch["key"].verify(self.checkpoint.encode(), b64(signature))

        # From the head log to its last commit, from there to the log's head, and to the line.
        self.commit_leaf = b64(said["commit-leaf"])
        commit = parse_commit(self.commit_leaf)
        demand(commit["n"] == self.size - 1, "proof: not the last commit")
        way = self.hashes(said["commit-proof"], 0, 64)
        included(commit["n"], self.size, leaf_hash(self.commit_leaf), way, self.root)
        demand(commit["epoch"] == self.epoch["epoch"], "proof: the certificate of another epoch")
        demand(self.epoch["opened"] <= commit["time"] <= self.epoch["hard-limit"], "proof: outside its epoch's time")
        size, root, status = self.fields(said, "head", 3)
        size, root = decimal(size), self.hash(root)
        demand(size < 2**64 and status in ("1", "2"), "proof: the head")
        way = self.hashes(said["heads-proof"], 10, 24)
        self.head_leaf, self.heads_root = head_leaf(ref, size, root, int(status)), commit["heads_root"]
        included(position, 2 ** len(way), self.head_leaf, way, self.heads_root)
        included(self.line["seq"], size, self.leaf, self.hashes(said["entry-proof"], 0, 53), root)
        demand(self.line["ts"] <= commit["time"], "proof: the line is younger than its commit")

    @staticmethod
    def fields(said, tag, count):
        found = said[tag].split(" ")
        demand(len(found) == count, f"proof: the fields of `{tag}`")
        return found

    @staticmethod
    def hash(text):
        found = b64(text)
        demand(len(found) == 32, "proof: not a hash")
        return found

    @staticmethod
    def hashes(text, least, most):
        """Side by side in one base64; `-` for none."""
        demand(text, "proof: no hashes are written `-`")
        joined = b"" if text == "-" else b64(text)
        demand(len(joined) % 32 == 0 and least <= len(joined) // 32 <= most, "proof: the number of hashes")
        return [joined[at : at + 32] for at in range(0, len(joined), 32)]

    def check_receipt(self, receipt):
        """Whether this is the line that the receipt is of, and nothing in the two contradicts the other."""
        of = receipt["origin"], receipt["seq"], unhex(receipt["leaf"], 32)
        demand(of == (self.line["log"], self.line["seq"], self.leaf), "receipt: of another line")
        size, root = receipt["head_size"], unhex(receipt["head_root"], 32)
        demand(0 < size <= self.size, "receipt: of a later head log")
        demand(size < self.size or root == self.root, "receipt: of another head log")
        if receipt["epoch"] == self.epoch["epoch"]:  # Of any other, the proof has no key.
            text = checkpoint_text(self.name, size, root)
            self.epoch["key"].verify(text.encode(), unhex(receipt["signature"], 64))


# ── §9 Anchors ───────────────────────────────────────────────────────────────────────────────────────

ANCHOR_RECORDS = "deployment", "origin", "generation", "frontier", "checkpoint", "epoch"


class Anchor:
    """What is kept of a head log elsewhere: signed by the epoch that the root key signed, and ready to go on from."""

    def __init__(self, file, root_key):
        demand(len(file) <= 8 * 1024 and file.isascii(), "anchor: too long, or no text")
        first, *records = file.decode().split("\n")
        demand(first == "strongroom-anchor/v1", "anchor: of another version")
        demand(len(records) == len(ANCHOR_RECORDS) + 1 and records[-1] == "", "anchor: its number of records")
        said = {}
        for tag, record in zip(ANCHOR_RECORDS, records):
            found, blank, said[tag] = record.partition(" ")
            demand((found, blank) == (tag, " "), f"anchor: no `{tag}` where it belongs")
        generation = decimal(said["generation"])
        demand(0 < generation < 2**32, "anchor: its generation")
        demand(root_key.name == f"{said['origin']}/root", "anchor: the root key is another deployment's")
        origin = said["origin"] if generation == 1 else f"{said['origin']}/g{generation}"

        certificate = parse_certificate(open_note(b64(said["epoch"]), root_key), origin)
        demand(certificate["deployment"] == unhex(said["deployment"], 16), "anchor: another deployment's certificate")
        checkpoint = open_note(b64(said["checkpoint"]), certificate["key"])
        data, self.tree = Bytes(b64(said["frontier"]), "frontier"), Tree()
        self.tree.size = data.number(8)
        self.tree.peaks = [data.take(32) for _ in range(self.tree.size.bit_count())]
        data.end()
        demand(self.tree.size > 0, "anchor: of an empty log")
        expected = checkpoint_text(f"{origin}/heads", self.tree.size, self.tree.root())
        demand(checkpoint == expected, "anchor: the checkpoint is not of the frontier")


# ── §9 Files ─────────────────────────────────────────────────────────────────────────────────────────


def parse_profile(profile):
    """The device profile: what the deployment demands of its device."""
    try:
        parsed = json.loads(profile)
    except ValueError:
        raise Refused("profile: not JSON") from None
    again = json.dumps(parsed, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    demand(again == profile, "profile: not in its one form")
    demand(parsed["v"] == 1 and parsed["audit"]["alg"] == "ed25519", "profile: of another version")
    demand(all(root["prf"] == "hmac-sha256" for root in parsed["roots"]), "profile: another PRF")
    return parsed


def open_software_device(file, passphrase):
    """The keys in a software device's file: (root keys by id, (audit id, audit seed))."""
    data = Bytes(file, "key file")
    demand(data.take(8) == b"SRSOFT01", "key file: not one")
    memory_kib, passes, lanes = data.number(4), data.number(4), data.number(4)
    sane = 8 * lanes <= memory_kib <= 1 << 20 and 1 <= passes <= 64 and 1 <= lanes <= 16
    demand(sane, "key file: its passphrase hash is out of bounds")
    salt, commitment, nonce, ciphertext = data.take(32), data.take(32), data.take(24), data.rest()
    stretch = Argon2id(salt=salt, length=64, iterations=passes, lanes=lanes, memory_cost=memory_kib)
    stretched = stretch.derive(passphrase)
    demand(hmac.compare_digest(stretched[32:], commitment), "key file: another passphrase")
    plaintext = xaes_open(stretched[:32], nonce, ciphertext, enc("strongroom/software-device/v1", file[:52]))
    objects = Bytes(plaintext, "key file")
    demand(objects.number(1) == 1, "key file: unknown format")
    roots, audit = {}, []
    for _ in range(objects.number(2)):
        kind, key_id, key = objects.number(1), objects.take(16), objects.take(32)
        demand(kind in (1, 2), "key file: an unknown object")
        if kind == 1:
            demand(key_id not in roots, "key file: an id twice")
            roots[key_id] = key
        else:
            audit.append((key_id, key))
    objects.end()
    demand(roots and len(audit) == 1, "key file: root keys, and one audit key")
    return roots, audit[0], stretched, plaintext


# ── A database, opened ───────────────────────────────────────────────────────────────────────────────

BLOBS = {"deployment", "sys_ref", "profile", "recovery", "mac", "ref", "name_hash", "name", "salt", "keyring"}
BLOBS |= {"settings", "parent_hash", "meta", "id", "secret", "value", "label_hash", "handle"}
TABLES = "deployment", "tenants", "secrets", "secret_versions", "folders", "secret_labels", "actors"


def tables_of_vector(vector):
    def value(name, stored):
        return bytes.fromhex(stored) if name in BLOBS and isinstance(stored, str) else stored

    rows = vector["tables"].items()
    return {table: [{n: value(n, v) for n, v in row.items()} for row in found] for table, found in rows}


def tables_of_file(path):
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    database.row_factory = sqlite3.Row
    tables = {table: [dict(row) for row in database.execute(f"SELECT * FROM {table}")] for table in TABLES}
    database.close()
    return tables


def parent_of(path):
    return path.rpartition(b"/")[0]


STATE_ENABLED, STATE_DISABLED, STATE_DELETED, STATE_DESTROYED = 1, 2, 3, 4


def open_database(tables, prks):
    """Everything that is stored for the tenants whose PRKs are known: `prks` has them by ref.

    With the PRK of `sys` the rows of the deployment and of its tenants are checked too, and every
    tenant's name is read. No row is believed before its MAC was compared; no hash by which a row is
    found is believed before the name it stands for was opened.
    """
    demand(len(tables["deployment"]) == 1, "not one deployment")
    deployment_row = tables["deployment"][0]
    deployment = deployment_row["deployment"]
    roots = {root["v"]: bytes.fromhex(root["id"]) for root in parse_profile(deployment_row["profile"])["roots"]}

    tenants = {}
    for row in tables["tenants"]:
        if row["ref"] in prks:
            demand(row["root_version"] in roots, "a tenant: of no root key")
            facts = prks[row["ref"]], roots[row["root_version"]], row["root_version"], row["key_epoch"]
            tenants[row["number"]] = Tenant(deployment, row["ref"], *facts, row["keyring"])
    found = {"tenants": {}, "actors": {}, "secrets": {}}
    names = {number: tenant.ref.hex() for number, tenant in tenants.items()}
    if sys := tenants.get(0):
        demand(sys.ref == deployment_row["sys_ref"], "the deployment's `sys` is another")
        sys.check_row("deployment", deployment_row)
        for row in tables["tenants"]:
            sys.check_row("tenants", row)
            name = sys.open_name("tenant.name", row["ref"], row["name"])
            demand(sys.index("tenant", name) == row["name_hash"], "a tenant: found by another name")
            names[row["number"]] = found["tenants"][row["ref"].hex()] = name.decode()

    for number, tenant in tenants.items():
        mine = {table: [row for row in tables[table] if row.get("tenant") == number] for table in TABLES}
        found["actors"][names[number]] = sorted(open_actor(tenant, row) for row in mine["actors"])
        folders = {open_folder(tenant, row) for row in mine["folders"]}
        secrets = {}
        for row in mine["secrets"]:
            path, secret = open_secret(tenant, row, mine)
            demand(path not in secrets, "a path twice")
            parent = parent_of(path.encode())
            demand(not parent or parent in folders, "a secret in a folder that does not exist")
            secrets[path] = secret
        known = {row["id"] for row in mine["secrets"]}
        for table in ("secret_versions", "secret_labels"):
            demand(all(row["secret"] in known for row in mine[table]), f"`{table}`: of a secret that does not exist")
        found["secrets"][names[number]] = secrets
    return found, tenants


def open_actor(tenant, row):
    tenant.check_row("actors", row)
    name = tenant.open_name("actor.name", row["handle"], row["name"])
    demand(tenant.index("actor", name) == row["name_hash"], "an actor: found by another name")
    return name.decode()


def open_folder(tenant, row):
    tenant.check_row("folders", row)
    path = tenant.open_name("folder.name", row["id"], row["name"])
    demand(tenant.index("folder", path) == row["name_hash"], "a folder: found by another name")
    demand(tenant.index("folder", parent_of(path)) == row["parent_hash"], "a folder: in another folder")
    return path


SECRET_TYPES = {"database-password", "api-key", "certificate", "token", "ssh-key"}


def open_secret(tenant, row, mine):
    tenant.check_row("secrets", row)
    path = tenant.open_name("secret.name", row["id"], row["name"])
    demand(tenant.index("secret", path) == row["name_hash"], "a secret: found by another name")
    demand(tenant.index("folder", parent_of(path)) == row["parent_hash"], "a secret: in another folder")
    meta = json.loads(tenant.open_name("secret.meta", row["id"], row["meta"]))
    attributes = {"not_after", "owner", "rotate_seconds", "type"}
    demand({"description", "labels"} <= meta.keys() <= {"description", "labels"} | attributes, "a secret: its metadata")
    demand(meta.get("type", "token") in SECRET_TYPES, "a secret: its type")
    labels = {tenant.index("label", enc(name, value)) for name, value in meta["labels"].items()}
    if "type" in meta:
        labels.add(tenant.index("secret-type", meta["type"].encode()))
    if "owner" in meta:
        labels.add(tenant.index("owner", meta["owner"].encode()))
    indexed = [label["label_hash"] for label in mine["secret_labels"] if label["secret"] == row["id"]]
    demand(sorted(labels) == sorted(indexed), "a secret: found by other labels")

    versions = [version for version in mine["secret_versions"] if version["secret"] == row["id"]]
    settings = json.loads(row["settings"] or '{"v":1}')
    demand(settings.keys() <= {"max_versions", "oldest", "v"} and settings["v"] == 1, "a secret: its settings")
    kept = range(settings.get("oldest", 1), row["latest"] + 1)
    demand(sorted(version["version"] for version in versions) == list(kept), "a secret: its versions are not all there")
    demand(len(kept) <= settings.get("max_versions", 10), "a secret: more versions than it keeps")
    stages = [row[stage] for stage in ("current", "pending", "previous") if row[stage] is not None]
    demand(set(stages) <= {version["version"] for version in versions}, "a secret: a version in a stage is not there")
    demand(len(set(stages)) == len(stages), "a secret: a version in two stages")
    secret = {"current": row["current"], "versions": {}}
    if meta["description"]:
        secret["description"] = meta["description"]
    if meta["labels"]:
        secret["labels"] = meta["labels"]
    secret |= {name: meta[name] for name in attributes & meta.keys()}
    for version in versions:
        tenant.check_row("secret_versions", version)
        if version["state"] == STATE_DESTROYED:
            demand(version["value"] == b"", "a destroyed version that has a value")
            continue
        demand(version["state"] in (STATE_ENABLED, STATE_DISABLED, STATE_DELETED), "a version: its state")
        opened = tenant.open("secret.value", row["id"], version["version"], version["value"])
        kind = {1: "text", 2: "json", 3: "binary"}[opened[0]]
        if version["state"] != STATE_DELETED:
            secret["versions"][str(version["version"])] = {"type": kind, "value": opened[1].hex()}
    return path.decode(), secret


def check_rows_against_log(tables, tenants, lines):
    """Each row is the one that the log last wrote: a row put back from an older copy is found here."""
    last = {}
    for line, _ in lines:
        about = line["log"], line.get("obj", {}).get("id")
        for key, version in (("row", None), ("vrow", line.get("obj", {}).get("ver"))):
            if key in line:
                last[(*about, key, version)] = line[key]["h"], line[key]["rev"]
    told = set(last.values())
    for table in ("secrets", "secret_versions"):
        for row in tables[table]:
            if row["tenant"] in tenants:
                name = row_hash(row["mac"]).hex(), row["revision"]
                demand(name in told, f"a row of `{table}`: no line of the log wrote it")


# ── The vectors ──────────────────────────────────────────────────────────────────────────────────────


def load(name):
    return json.loads((FOLDER / name).read_text())


def hexed(vector, key):
    return bytes.fromhex(vector[key])


def same(what, got, want):
    """Compares with a value that a vector states. Refusing never rests on this: see `is_refused`."""
    assert got == want, f"{what}: {got} is not {want}"


def vector_tenant(vector, sealed_keyring=None):
    """The keys of the tenant that a vector names."""
    keys = load(vector["keys"])
    facts = keys["tenants"][vector["tenant"]]
    root = keys["root"]
    return Tenant(
        hexed(keys, "deployment"),
        hexed(facts, "tenant"),
        hexed(facts, "prk"),
        hexed(root, "id"),
        root["version"],
        facts["key_epoch"],
        sealed_keyring or hexed(facts, "keyring_sealed"),
    )


def read_xaes(vector):
    for case in vector["cases"]:
        key, nonce, aad = hexed(case, "key"), hexed(case, "nonce"), hexed(case, "associated_data")
        same("derived key", xaes_subkey(key, nonce).hex(), case["derived_key"])
        same("sealed", xaes_seal(key, nonce, hexed(case, "plaintext"), aad).hex(), case["sealed"])
        same("opened", xaes_open(key, nonce, hexed(case, "sealed"), aad), hexed(case, "plaintext"))
    if "accumulated_10000" in vector:
        # The standard's own test: a SHAKE-128 stream gives the inputs, another swallows the results.
        stream, results, at = hashlib.shake_128(b"").digest(10_000 * (32 + 24 + 256 + 256)), hashlib.shake_128(), 0

        def read(count):
            nonlocal at
            at += count
            return stream[at - count : at]

        for _ in range(10_000):
            key, nonce = read(32), read(24)
            plaintext, aad = read(read(1)[0]), None
            aad = read(read(1)[0])
            results.update(xaes_seal(key, nonce, plaintext, aad))
        same("accumulated", results.hexdigest(32), vector["accumulated_10000"])


def read_keys(vector):
    deployment, root = hexed(vector, "deployment"), vector["root"]
    root_key, version = hexed(root, "key"), root["version"]
    for facts in vector["tenants"].values():
        tenant, epoch = hexed(facts, "tenant"), facts["key_epoch"]
        prk = hmac_sha256(root_key, prf_input(deployment, tenant, hexed(facts, "salt"), version, epoch))
        Tenant(deployment, tenant, prk, hexed(root, "id"), version, epoch, hexed(facts, "keyring_sealed"))
    if vector["outcome"] == "ok":
        compare_keys(vector, deployment, root, root_key, version)


def compare_keys(vector, deployment, root, root_key, version):
    """The same once more, with every value on the way."""
    same("check input", check_input(deployment, version).hex(), root["check_input"])
    same("check value", hmac_sha256(root_key, hexed(root, "check_input")).hex(), root["check_value"])
    for facts in vector["tenants"].values():
        tenant, epoch = hexed(facts, "tenant"), facts["key_epoch"]
        same("PRF input", prf_input(deployment, tenant, hexed(facts, "salt"), version, epoch).hex(), facts["prf_input"])
        prk = hmac_sha256(root_key, hexed(facts, "prf_input"))
        same("PRK", prk.hex(), facts["prk"])
        same("wrap info", wrap_info(deployment, tenant, version, epoch).hex(), facts["wrap_info"])
        sealed = hexed(facts, "keyring_sealed")
        opened = Tenant(deployment, tenant, prk, hexed(root, "id"), version, epoch, sealed)
        same("wrap key", opened.wrap_key.hex(), facts["wrap_key"])
        aad = associated_data(deployment, tenant, "keyring", tenant, epoch, SealedHeader(sealed))
        same("associated data", aad.hex(), facts["keyring_associated_data"])
        names = "purpose", "status", "id", "version", "created_at", "key"
        keys = [dict(zip(names, [v.hex() if isinstance(v, bytes) else v for v in key])) for key in opened.keyring.keys]
        same("keys", keys, facts["keys"])
        same("keys in use", [opened.keyring.in_use(purpose)[2].hex() for purpose in (1, 2, 3, 4)], facts["in_use"])


def read_keyring(vector):
    vector_tenant(vector, hexed(vector, "keyring_sealed"))


def read_sealed(vector):
    tenant, place, sealed = vector_tenant(vector), vector["place"], hexed(vector, "sealed")
    content_type, content = tenant.open(place["kind"], hexed(place, "object"), place["version"], sealed)
    if vector["outcome"] == "ok":
        same("content", (content_type, content.hex()), (vector["content_type"], vector["content"]))
        same("encoded", encode_content(content_type, content).hex(), vector["encoded"])
        where = place["kind"], hexed(place, "object"), place["version"]
        aad = associated_data(tenant.deployment, tenant.ref, *where, SealedHeader(sealed))
        same("associated data", aad.hex(), vector["associated_data"])


def read_hashes(vector):
    tenant = vector_tenant(vector)
    same("index key", tenant.keyring.in_use(INDEX)[5].hex(), vector["index_key"])
    same("pseudonym key", tenant.keyring.in_use(PSEUDONYM)[5].hex(), vector["pseudonym_key"])
    for case in vector["index"]:
        same("input", enc("strongroom/index/v1", case["kind"], hexed(case, "value")).hex(), case["input"])
        same("index hash", tenant.index(case["kind"], hexed(case, "value")).hex(), case["hash"])
    for case in vector["pseudonyms"]:
        same("input", enc("strongroom/pseudonym/v1", case["kind"], hexed(case, "value")).hex(), case["input"])
        hash_, version = tenant.pseudonym(case["kind"], hexed(case, "value"))
        same("pseudonym", (hash_.hex(), version), (case["hash"], case["pk"]))


def read_rows(vector):
    tenant = vector_tenant(vector)
    for case in vector["rows"]:
        row = {n: bytes.fromhex(v) if n in BLOBS and isinstance(v, str) else v for n, v in case["row"].items()}
        tenant.check_row(case["table"], row | {"mac": hexed(case, "mac")})
        if vector["outcome"] == "ok":
            same("row hash", row_hash(hexed(case, "mac")).hex(), case["hash"])


def read_lines(vector):
    for case in vector["cases"]:
        line = case["line"].encode()
        parse_line(line)
        same("leaf hash", leaf_hash(line).hex(), case["leaf"])


def read_software_device(vector):
    roots, audit, stretched, plaintext = open_software_device(hexed(vector, "file"), vector["passphrase"].encode())
    if vector["outcome"] == "ok":
        same("stretched passphrase", stretched.hex(), vector["stretched"])
        same("plaintext", plaintext.hex(), vector["plaintext"])
        same("root key", roots, {hexed(vector["root"], "id"): hexed(vector["root"], "key")})
        same("audit key", audit, (hexed(vector["audit"], "id"), hexed(vector["audit"], "seed")))
        same("serial", sha256(hexed(vector, "salt"))[:16].hex(), vector["serial"])


def deployment_prks(tables, root_key):
    """Whoever has the root key has everything: the PRK of every tenant."""
    deployment = tables["deployment"][0]["deployment"]
    return {
        row["ref"]: hmac_sha256(
            root_key, prf_input(deployment, row["ref"], row["salt"], row["root_version"], row["key_epoch"])
        )
        for row in tables["tenants"]
    }


def read_deployment(vector):
    tables = tables_of_vector(vector)
    found, tenants = open_database(tables, deployment_prks(tables, hexed(vector["root"], "key")))
    # Its log is in another vector.
    log = load("log-full.json")
    lines = FullBundle(log["bundle"], VerifyingKey(log["root_vkey"])).lines
    check_rows_against_log(tables, tenants, lines)
    acme = next(tenant for tenant in tenants.values() if found["tenants"][tenant.ref.hex()] == "acme")
    name, version = acme.pseudonym("secret", b"prod/db/password")
    about = [line for line, _ in lines if line.get("obj", {}).get("id") == name.hex() and line["pk"] == version]
    demand(len(about) == 4, "the lines about a secret are not found by its pseudonym")
    if vector["outcome"] == "ok":
        finds = vector["finds"]
        same("tenants", sorted(found["tenants"].values()), finds["tenants"])
        for tenant, actors in finds["actors"].items():
            same("actors", found["actors"][tenant], actors)
        same("secrets", {name: secrets for name, secrets in found["secrets"].items() if secrets}, finds["secrets"])


def read_bundle(vector):
    root_key = VerifyingKey(vector["root_vkey"])
    if vector["bundle"][0].endswith(" tenant"):
        log, _ = open_tenant_bundle(vector["bundle"], root_key)
        demand(log.ref.hex() == vector["tenant"], "bundle: another tenant's")
        return
    bundle = FullBundle(vector["bundle"], root_key)
    if vector["outcome"] == "ok":
        same("steps", bundle.steps, vector["steps"])
    for receipt in vector.get("receipts", []):
        bundle.check_receipt(receipt)


def read_proof(vector):
    file = "".join(record + "\n" for record in vector["proof"]).encode()
    proof = EntryProof(file, VerifyingKey(vector["root_vkey"]))
    proof.check_receipt(vector["receipt"])
    if vector["outcome"] == "ok":
        steps = {
            "leaf": proof.leaf.hex(),
            "head_leaf": proof.head_leaf.hex(),
            "heads_root": proof.heads_root.hex(),
            "commit_leaf": leaf_hash(proof.commit_leaf).hex(),
            "checkpoint": proof.checkpoint,
            "certificate": proof.certificate,
        }
        same("steps", steps, vector["steps"])
        log = load(vector["log"])
        lines = FullBundle(log["bundle"], VerifyingKey(log["root_vkey"])).lines
        demand((proof.line, proof.bytes) in lines, "proof: the line is not in the log")


def read_anchor(vector):
    file = "".join(record + "\n" for record in vector["anchor"]).encode()
    anchor = Anchor(file, VerifyingKey(vector["root_vkey"]))
    tree = Tree()
    for leaf in vector["leaves"]:
        tree.append(leaf_hash(b64(leaf)))
    demand(tree.frontier() == anchor.tree.frontier(), "anchor: of another log")
    if vector["outcome"] == "ok":
        same("steps", {"size": tree.size, "root": tree.root().hex()}, vector["steps"])


READERS = {
    "anchor": read_anchor,
    "xaes-256-gcm": read_xaes,
    "keys": read_keys,
    "keyring": read_keyring,
    "sealed": read_sealed,
    "hashes": read_hashes,
    "rows": read_rows,
    "lines": read_lines,
    "software-device": read_software_device,
    "deployment": read_deployment,
    "bundle": read_bundle,
    "proof": read_proof,
}


# ── Changes that must be refused ─────────────────────────────────────────────────────────────────────


def flipped(text, at):
    """Hex with one bit of a byte changed."""
    data = bytearray(bytes.fromhex(text))
    data[at] ^= 1
    return data.hex()


def mutations():
    """(name, vector to change, the change). Each change must be refused; unchanged the vector is accepted."""

    def put(key, value):
        return lambda vector: vector.__setitem__(key, value(vector[key]))

    def place(key, value):
        return lambda vector: vector["place"].__setitem__(key, value)

    value = "sealed-value-text.json"
    for name, at in [
        ("format", 0),
        ("algorithm", 1),
        ("key id", 2),
        ("key version", 21),
        ("first half of the nonce", 22),
        ("second half of the nonce", 45),
        ("ciphertext", 46),
        ("tag", -1),
    ]:
        yield f"sealed: {name} flipped", value, put("sealed", lambda sealed, at=at: flipped(sealed, at))
    yield "sealed: one byte shorter", value, put("sealed", lambda sealed: sealed[:-2])
    yield "sealed: one byte longer", value, put("sealed", lambda sealed: sealed + "00")
    yield "sealed: only a header", value, put("sealed", lambda sealed: sealed[:92])
    yield "sealed: nothing", value, put("sealed", lambda sealed: "")
    yield "sealed: another tenant's", value, put("tenant", lambda _: "beta")
    yield "sealed: another version", value, place("version", 8)
    yield "sealed: another kind", value, place("kind", "secret.name")
    yield "sealed: another object", value, place("object", "00" * 16)
    yield "sealed: a name as the metadata", "sealed-secret-name.json", place("kind", "secret.meta")

    def tenant_fact(key, value):
        return lambda vector: vector["tenants"]["acme"].__setitem__(key, value(vector["tenants"]["acme"][key]))

    keys = "keys.json"
    yield "keys: another salt", keys, tenant_fact("salt", lambda salt: flipped(salt, 0))
    yield "keys: another tenant", keys, tenant_fact("tenant", lambda tenant: flipped(tenant, 0))
    yield "keys: another key epoch", keys, tenant_fact("key_epoch", lambda epoch: epoch + 1)
    yield "keys: a keyring changed", keys, tenant_fact("keyring_sealed", lambda sealed: flipped(sealed, 60))
    yield "keys: another root key", keys, lambda v: v["root"].__setitem__("key", flipped(v["root"]["key"], 31))
    yield "keys: another root id", keys, lambda v: v["root"].__setitem__("id", flipped(v["root"]["id"], 0))
    yield "keys: another deployment", keys, put("deployment", lambda deployment: flipped(deployment, 0))

    def swap_keyrings(vector):
        acme, beta = vector["tenants"]["acme"], vector["tenants"]["beta"]
        acme["keyring_sealed"], beta["keyring_sealed"] = beta["keyring_sealed"], acme["keyring_sealed"]

    yield "keys: two tenants' keyrings swapped", keys, swap_keyrings

    def row(index, key, value):
        return lambda vector: vector["rows"][index].__setitem__(key, value(vector["rows"][index][key]))

    rows = "rows.json"
    yield "rows: a MAC flipped", rows, row(0, "mac", lambda mac: flipped(mac, 31))
    for index, column, new in [
        (0, "origin", "example.com/other"),
        (1, "state", 2),
        (1, "number", 422),
        (2, "enabled", 0),
        (2, "current", 3),
        (2, "pending", None),
        (2, "previous", 0),
        (2, "revision", 5),
        (3, "expires_at", None),
        (3, "version", 3),
        (4, "parent_hash", "00" * 16),
        (5, "handle", "00" * 16),
    ]:
        change = row(index, "row", lambda found, column=column, new=new: found | {column: new})
        yield f"rows: {column} changed", rows, change
    yield "rows: another tenant", rows, put("tenant", lambda _: "beta")

    device = "software-device.json"
    for name, at in [("magic", 0), ("memory", 10), ("salt", 20), ("commitment", 52), ("nonce", 84), ("tag", -1)]:
        yield f"software device: {name} flipped", device, put("file", lambda file, at=at: flipped(file, at))
    yield "software device: a byte missing", device, put("file", lambda file: file[:-2])

    def table(name, change):
        return lambda vector: change(vector["tables"][name])

    def swap(column, first=0, second=1):
        def change(found):
            found[first][column], found[second][column] = found[second][column], found[first][column]

        return change

    database = "deployment.json"
    yield "database: two values swapped", database, table("secret_versions", swap("value"))
    yield "database: two versions swapped with their MACs", database, table(
        "secret_versions", lambda found: [swap(column)(found) for column in ("value", "mac", "state")]
    )
    yield "database: two index hashes swapped", database, table("secrets", swap("name_hash"))
    yield "database: two parent hashes swapped", database, table("secrets", swap("parent_hash"))
    yield "database: two ids swapped", database, table("secrets", swap("id"))
    yield "database: a current version set back", database, table(
        "secrets", lambda found: [row.__setitem__("current", 1) for row in found if row["current"] == 2]
    )
    yield "database: a secret disabled", database, table("secrets", lambda found: found[0].__setitem__("enabled", 0))
    yield "database: a label moved", database, table(
        "secret_labels", lambda found: found[0].__setitem__("label_hash", "00" * 16)
    )
    yield "database: a label removed", database, table("secret_labels", lambda found: found.pop())
    yield "database: a version removed", database, table("secret_versions", lambda found: found.pop())
    yield "database: a folder removed", database, table("folders", lambda found: found.clear())
    yield "database: a tenant reopened", database, table(
        "tenants", lambda found: [row.__setitem__("state", 1) for row in found]
    )
    yield "database: two tenants' keyrings swapped", database, table("tenants", swap("keyring", 1, 2))
    yield "database: a row of another tenant", database, table("secrets", swap("tenant", 0, -1))

    def bundle(change):
        return lambda vector: change(vector["bundle"])

    def record(tag, old, new, last=False):
        def change(records):
            found = [at for at, text in enumerate(records) if text.startswith(tag + " ") and old in text]
            at = found[-1 if last else 0]
            records[at] = records[at].replace(old, new, 1)

        return bundle(change)

    full = "log-full.json"
    yield "log: a line's code", full, record("line", "SR-SECRET-CONFLICT", "SR-SECRET-NOT-FOUND")
    yield "log: a line's actor", full, record("line", '"t":"service"', '"t":"operator"')
    yield "log: a line's time", full, record("line", '"ts":17672256', '"ts":17672257')
    yield "log: the last line's number", full, record("line", '"seq":5', '"seq":6', last=True)
    yield "log: a tenant's position", full, record("line", '"pos":', '"pos":1')
    yield "log: another ref of sys", full, record("tenant", "tenant 0 ", "tenant 0 00")
    yield "log: another origin", full, record("origin", "example.com", "example.org")
    yield "log: a first generation that begins with something", full, record("generation", "1 0 -", "1 1 -")

    def drop(tag, index):
        def change(records):
            del records[[at for at, text in enumerate(records) if text.startswith(tag + " ")][index]]

        return bundle(change)

    yield "log: a commit dropped", full, drop("commit", 3)
    yield "log: a line dropped", full, drop("line", 3)
    yield "log: an epoch dropped", full, drop("epoch", 1)
    yield "log: no checkpoint", full, drop("checkpoint", 0)

    def wrong_prev(records):
        at = next(at for at, text in enumerate(records) if '"seq":3' in text)
        start = records[at].index('"prev":"') + 8
        records[at] = records[at][:start] + "0" * 64 + records[at][start + 64 :]

    yield "log: a wrong prev", full, bundle(wrong_prev)

    def receipt(key, value):
        return lambda vector: vector["receipts"][1].__setitem__(key, value(vector["receipts"][1][key]))

    yield "receipt: signature flipped", full, receipt("signature", lambda text: flipped(text, 10))
    yield "receipt: another line", full, receipt("seq", lambda seq: seq + 1)
    yield "receipt: another leaf", full, receipt("leaf", lambda text: flipped(text, 0))
    yield "receipt: another head", full, receipt("head_root", lambda text: flipped(text, 0))
    yield "receipt: another size", full, receipt("head_size", lambda size: size + 1)

    tenant = "log-tenant.json"
    yield "tenant's log: a line dropped", tenant, drop("line", -1)
    yield "tenant's log: a line changed", tenant, record("line", '"ver":1', '"ver":2')

    def bad_node(tag):
        def change(records):
            at = next(at for at, text in enumerate(records) if text.startswith(tag))
            records[at] = records[at].rpartition(" ")[0] + " " + base64.b64encode(bytes(32)).decode()

        return bundle(change)

    yield "tenant's log: a node of the heads proof", tenant, bad_node("heads-proof")
    yield "tenant's log: a node of the commit proof", tenant, bad_node("commit-proof")
    yield "tenant's log: another position", tenant, record("log", "log ", "log 1")
    yield "tenant's log: no heads proof", tenant, drop("heads-proof", 0)
    yield "tenant's log: the root of another key", tenant, lambda vector: vector.__setitem__(
        "root_vkey", other_root_vkey("example.com/keys/root")
    )


    def proof(change):
        return lambda vector: change(vector["proof"])

    def proven(tag, change, field=-1):
        """Changes one field of a record; `line` is all one field."""

        def edit(records):
            at = next(at for at, text in enumerate(records) if text.startswith(tag + " "))
            fields = records[at].split(" ")
            fields[field] = change(fields[field])
            records[at] = " ".join(fields)

        return proof(edit)

    def bit(at):
        def change(text):
            data = bytearray(base64.b64decode(text))
            data[at] ^= 1
            return base64.b64encode(data).decode()

        return change

    def cut(text):
        return base64.b64encode(base64.b64decode(text)[:-32]).decode() or "-"

    def longer(text):
        return base64.b64encode((b"" if text == "-" else base64.b64decode(text)) + bytes(32)).decode()

    for one in ("proof-tenant.json", "proof-sys.json", "proof-closed.json"):
        what = one.removesuffix(".json")
        yield f"{what}: another request", one, proven("line", lambda text: text.replace('"rid":"0', '"rid":"1'))
        yield f"{what}: another act", one, proven("line", lambda text: text.replace('"act":"', '"act":"x'))
        yield f"{what}: another place", one, proven("line", lambda text: text.replace('"seq":', '"seq":1'))
        yield f"{what}: another position", one, proven("log", lambda text: str(int(text) ^ 1), 1)
        yield f"{what}: another ref", one, proven("log", lambda text: flipped(text, 0))
        yield f"{what}: another size", one, proven("head", lambda text: str(int(text) + 1), 1)
        yield f"{what}: a size beyond all", one, proven("head", lambda text: str(2**64), 1)
        yield f"{what}: another root", one, proven("head", bit(0), 2)
        yield f"{what}: another status", one, proven("head", lambda text: "2" if text == "1" else "1")
        for tag in ("entry-proof", "heads-proof", "commit-proof"):
            yield f"{what}: a node more in {tag}", one, proven(tag, longer)
            if one != "proof-closed.json" or tag != "entry-proof":  # Its log has one line, and no nodes.
                yield f"{what}: a bit of {tag}", one, proven(tag, bit(-1))
                yield f"{what}: a node less in {tag}", one, proven(tag, cut)
        # Number, time, epoch, heads root, counts: each of the commit's parts.
        for at in (0, 19, 27, 31, 40, 95):
            yield f"{what}: byte {at} of the commit", one, proven("commit-leaf", bit(at))
        yield f"{what}: another number of commits", one, proven("checkpoint", lambda text: str(int(text) + 1), 1)
        yield f"{what}: another head log", one, proven("checkpoint", bit(31), 2)
        yield f"{what}: another signature", one, proven("checkpoint", bit(0))
        # Deployment, number, key, three times, what was seen, boot, signature: each of the certificate's parts.
        for at in (0, 19, 20, 59, 67, 75, 83, 84, 116, 132):
            yield f"{what}: byte {at} of the epoch", one, proven("epoch", bit(at))
        for at in range(10):
            yield f"{what}: record {at} left out", one, proof(lambda records, at=at: records.pop(at))
            yield f"{what}: record {at} twice", one, proof(lambda records, at=at: records.insert(at, records[at]))
        yield f"{what}: a carriage return", one, proven("epoch", lambda text: text + "\r")
        yield f"{what}: an empty line at its end", one, proof(lambda records: records.append(""))
        yield f"{what}: a later version", one, proof(lambda records: records.__setitem__(0, "strongroom-proof/v2"))
        yield f"{what}: two spaces", one, proven("log", lambda text: " " + text, 1)
        yield f"{what}: a number in another form", one, proven("checkpoint", lambda text: "0" + text, 1)
        for key, value in (
            ("origin", lambda text: text.replace("example.com", "example.org")),
            ("seq", lambda seq: seq + 1),
            ("leaf", lambda text: flipped(text, 0)),
            ("head_size", lambda size: size + 100),
        ):
            yield f"{what}: a receipt with another {key}", one, lambda vector, key=key, value=value: vector[
                "receipt"
            ].__setitem__(key, value(vector["receipt"][key]))
        for name in ("example.com/keys/root", "example.org/keys/root", "example.com/root"):
            yield f"{what}: the root key {name} of somebody else", one, lambda vector, name=name: vector.__setitem__(
                "root_vkey", other_root_vkey(name)
            )
        yield f"{what}: the root key under another name", one, lambda vector: vector.__setitem__(
            "root_vkey", write_vkey("example.org/keys/root", VerifyingKey(vector["root_vkey"]).key)
        )


def other_root_vkey(name):
    # RFC 8032's first test key: nobody's root of trust.
    return write_vkey(name, bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"))


# ── A database that the program has just written ─────────────────────────────────────────────────────

SECRETS = {
    "prod/db/password": "hunter2",
    "prod/life": "last",
    "prod/config": '{"a":1,"c":[3]}',
    "prod/token": "by ann",
    "stage/old/token": "another",
    "prod/api/URL": "https://example.com",
    "prod/api/KEY": "with spaces",
}


class Program:
    """The `strongroom` program, on a deployment in a folder of its own."""

    def __init__(self, program, folder, device, environment):
        self.program, self.folder, self.device = program, folder, device
        self.environment = {**os.environ, **environment, "STRONGROOM_DATA": str(folder / "data")}

    def run(self, *arguments, text=None):
        done = subprocess.run(
            [self.program, "--as", "operator:olga", "-o", "json", *arguments],
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment,
            text=True,
            timeout=120,
        )
        if done.returncode != 0:
            raise RuntimeError(f"strongroom {' '.join(arguments)}: {done.stderr.strip()}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def fill(self):
        """Makes a deployment with some secrets and returns its root key, and receipts."""
        made = self.run("init", "--no-recovery", "--origin", "example.com/keys", "--device", self.device)
        receipts = [made["receipt"]]
        for name in ("acme", "beta"):
            receipts.append(self.run("tenant", "create", name)["receipt"])
        put = "--tenant", "acme", "secret", "put", "prod/db/password"
        receipts.append(self.run(*put, text="before")["receipt"])
        receipts.append(self.run(*put, text="hunter2")["receipt"])
        for words in ("put", "delete --version 1", "undelete --version 1", "put", "destroy --version 1,2 --yes", "put"):
            arguments = "--tenant", "acme", "secret", *words.split()
            arguments = (*arguments[:4], "prod/life", *arguments[4:])
            receipts.append(self.run(*arguments, text=f"life {len(receipts)}")["receipt"])
        receipts.append(self.run("--tenant", "acme", "secret", "delete", "prod/life", "--version", "3")["receipt"])
        for keeps in ("5", "3"):
            last = self.run(*put[:3], "put", "prod/life", "--max-versions", keeps, text="last")
            receipts.append(last["receipt"])
        same("versions removed", last["removed"], 2)
        config = "--tenant", "acme", "secret"
        receipts.append(self.run(*config, "put", "prod/config", "--json", text='{"a": 1, "b": 2}')["receipt"])
        receipts.append(self.run(*config, "patch", "prod/config", text='{"b": null, "c": [3]}')["receipt"])
        for words, value in (("put --stage pending", "{}"), ("promote", None), ("promote --stage previous", None)):
            first, *options = words.split()
            receipts.append(self.run(*config, first, "prod/config", *options, text=value)["receipt"])
        attributes = "--type", "token", "--owner", "ann", "--rotate-every", "1h", "--label", "team=db"
        receipts.append(self.run(*config, "put", "dev/token", *attributes, text="by ann")["receipt"])
        receipts.append(self.run(*config, "update", "dev/token", "--owner", "bob")["receipt"])
        receipts.append(self.run(*config, "copy", "dev/token", "prod/token")["receipt"])
        receipts.append(self.run(*config, "put", "dev/token", text="another")["receipt"])
        receipts.append(self.run(*config, "move", "dev/token", "stage/old/token")["receipt"])
        document = self.folder / "import.env"
        document.write_text("URL=https://example.com\nKEY='with spaces'\n")
        receipts.append(self.run("--tenant", "acme", "secret", "import", "--prefix", "prod/api", str(document))["receipt"])
        return VerifyingKey(made["root_key"]), receipts

    def guess(self, source):
        """Tries two wrong PINs, and returns what is noted of them until the next opening has it in the log."""
        right = source.read_text()
        source.write_text("wrong-1234")
        for _ in range(2):
            try:
                self.run("status")
            except RuntimeError as refused:
                demand("SR-DEVICE-PIN-REFUSED" in str(refused), f"refused for another reason: {refused}")
            else:
                raise AssertionError("a wrong PIN was taken")
        source.write_text(right)
        kept = self.folder / "data" / "login.refused"
        note = parse_refused_logins(kept.read_bytes())
        self.run("status")
        demand(not kept.exists(), "refused logins: the note stays")
        return note

    def check_log(self, root_key, receipts):
        bundle = self.folder / "all.bundle"
        self.run("audit", "export", "--deployment", str(bundle))
        text = bundle.read_text()
        demand(text.endswith("\n"), "bundle: its last record does not end")
        full = FullBundle(text[:-1].split("\n"), root_key)
        for receipt in receipts:
            full.check_receipt(receipt)
            self.check_proof(receipt, root_key, full.lines)
        return full.lines

    def check_proof(self, receipt, root_key, lines):
        """What the receipt is of, proven alone."""
        log = ("--tenant", "acme") if "/t/" in receipt["origin"] else ("--deployment",)
        kept = self.folder / "receipt.json"
        kept.write_text(json.dumps(receipt))
        made = self.run("audit", "prove", *log, "--receipt", str(kept))
        proof = EntryProof(made["proof"].encode(), root_key)
        proof.check_receipt(receipt)
        demand((proof.line, proof.bytes) in lines, "proof: the line is not in the log")

    def database(self):
        return self.folder / "data" / "strongroom.db"


def parse_refused_logins(bytes_):
    """What is noted of logins that the device refused."""
    note = json.loads(bytes_)
    demand(json.dumps(note, separators=(",", ":"), sort_keys=True).encode() == bytes_, "refused logins: not canonical")
    demand(note.keys() == {"code", "count", "first", "id", "last", "v"} and note["v"] == 1, "refused logins: its keys")
    demand(note["code"] in ("SR-DEVICE-PIN-REFUSED", "SR-DEVICE-PIN-LOCKED"), "refused logins: why")
    demand(note["count"] > 0 and note["first"] <= note["last"], "refused logins: count and times")
    demand(is_hex(note["id"], 32) and note["id"][:16] == u64(note["first"]).hex(), "refused logins: its id")
    return note


def check_refused_logins(lines, note):
    """The log has one line, which says what was noted."""
    [line] = [line for line, _ in lines if line["act"] == "device.login"]
    same("refused logins", (line["n"], line["obj"]), (2, {"id": note["id"], "t": "login", "ver": note["last"]}))
    same("refused logins", (line["res"], line["who"]["t"]), ({"code": note["code"], "ok": False}, "system"))
    same("refused logins noted", note["count"], 2)


def found_secrets(found, tenant):
    opened = {}
    for path, secret in found["secrets"][tenant].items():
        opened[path] = bytes.fromhex(secret["versions"][str(secret["current"])]["value"]).decode()
    return opened


def refuses(change, tables, prks):
    """Whether a changed copy of the tables is refused."""
    tables = deepcopy(tables)
    change(tables)
    try:
        open_database(tables, prks)
    except Refused:
        return
    raise AssertionError("a changed database was opened")


def on_softhsm(program, module, folder):
    """One tenant, opened with its exported key: what its owner can do without us, and without the token."""
    (folder / "tokens").mkdir()
    conf = folder / "softhsm2.conf"
    conf.write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\n")
    environment = {"SOFTHSM2_CONF": str(conf)}
    token = "--init-token", "--free", "--label", "reader", "--so-pin", "so-12345", "--pin", "user-1234"
    subprocess.run(
        ["softhsm2-util", *token], check=True, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, timeout=60
    )
    pin = folder / "pin"
    pin.write_text("user-1234")
    pin.chmod(0o600)
    device = f"pkcs11:token=reader?module-path={module}&pin-source=file:{pin}"
    strongroom = Program(program, folder, device, environment)
    root_key, receipts = strongroom.fill()
    note = strongroom.guess(pin)
    exported = strongroom.run("tenant", "dangerously-export", "acme", "--yes")
    receipts.append(exported["receipt"])
    prks = {bytes.fromhex(exported["tenant_ref"]): bytes.fromhex(exported["prk"])}
    lines = strongroom.check_log(root_key, receipts)
    check_refused_logins(lines, note)

    tables = tables_of_file(strongroom.database())
    found, tenants = open_database(tables, prks)
    demand(found_secrets(found, exported["tenant_ref"]) == SECRETS, "other secrets than were put")
    demand(list(found["secrets"]) == [exported["tenant_ref"]], "nothing of another tenant")
    check_rows_against_log(tables, tenants, lines)

    number = next(iter(tenants))
    mine = [at for at, row in enumerate(tables["secrets"]) if row["tenant"] == number]

    def swap(table, column, first, second):
        def change(changed):
            rows = changed[table]
            rows[first][column], rows[second][column] = rows[second][column], rows[first][column]

        return change

    for column in ("name", "name_hash", "meta", "id", "mac"):
        refuses(swap("secrets", column, *mine[:2]), tables, prks)
    refuses(lambda changed: changed["secrets"][mine[0]].__setitem__("enabled", 0), tables, prks)
    wrong = {ref: bytes(32) for ref in prks}
    refuses(lambda changed: None, tables, wrong)


def on_software_device(program, folder):
    """Everything, opened with nothing but the key file and its passphrase."""
    passphrase = folder / "passphrase"
    passphrase.write_text("correct horse battery staple")
    passphrase.chmod(0o600)
    key_file = folder / "device.key"
    device = f"software:{key_file}?passphrase-source=file:{passphrase}"
    strongroom = Program(program, folder, device, {})
    root_key, receipts = strongroom.fill()
    note = strongroom.guess(passphrase)
    lines = strongroom.check_log(root_key, receipts)
    check_refused_logins(lines, note)

    tables = tables_of_file(strongroom.database())
    row = tables["deployment"][0]
    profile = parse_profile(row["profile"])
    roots, (audit_id, _), *_ = open_software_device(key_file.read_bytes(), passphrase.read_bytes())
    [root] = profile["roots"]
    root_secret = roots[bytes.fromhex(root["id"])]
    same("check value", hmac_sha256(root_secret, check_input(row["deployment"], root["v"])).hex(), root["check"])
    same("audit key", (audit_id.hex(), root_key.key.hex()), (profile["audit"]["id"], profile["audit"]["key"]))
    found, tenants = open_database(tables, deployment_prks(tables, root_secret))
    same("tenants", sorted(found["tenants"].values()), ["acme", "beta", "sys"])
    demand(found_secrets(found, "acme") == SECRETS, "other secrets than were put")
    check_rows_against_log(tables, tenants, lines)
    refuses(lambda changed: changed["tenants"][0].__setitem__("state", 3), tables, deployment_prks(tables, root_secret))


# ── Running it all ───────────────────────────────────────────────────────────────────────────────────


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def run(self, name, test):
        try:
            test()
        except Exception:  # Whatever a test dies of, it has failed, and the next one runs.
            self.failed += 1
            print(f"FAILED: {name}")
            traceback.print_exc(file=sys.stdout)
        else:
            self.passed += 1

    def skip(self, name, why):
        self.skipped += 1
        print(f"SKIPPED: {name}: {why}")


def has_outcome(vector):
    """Fails unless the vector has its stated outcome. To be refused is to raise `Refused`, and nothing else."""
    reader = READERS[vector["kind"]]
    if vector["outcome"] == "ok":
        reader(vector)
        return
    assert vector["outcome"] == "refused", "an outcome is ok or refused"
    try:
        reader(vector)
    except Refused:
        return
    raise AssertionError("it is accepted")


def is_refused(name, change):
    vector = load(name)
    change(vector)
    assert vector != load(name), "the change changes nothing"
    # So that the values it states besides are not compared: what refuses is the cryptography.
    vector["outcome"] = "refused"
    has_outcome(vector)


def main():
    count = Count()
    vectors = sorted(FOLDER.glob("*.json"))
    for path in vectors:
        count.run(path.name, lambda path=path: has_outcome(load(path.name)))
    changes = list(mutations())
    for name, vector, change in changes:
        count.run(name, lambda vector=vector, change=change: is_refused(vector, change))
    print(f"{len(vectors)} vectors read, {len(changes)} changes tried")

    program = os.environ.get("STRONGROOM_BIN")
    module = os.environ.get("STRONGROOM_TEST_PKCS11") or "/usr/lib/softhsm/libsofthsm2.so"
    if not program:
        count.skip("databases just written", "STRONGROOM_BIN does not name the program")
    else:
        if Path(module).exists() and shutil.which("softhsm2-util"):
            with tempfile.TemporaryDirectory() as folder:
                count.run("a database on SoftHSM", lambda: on_softhsm(program, module, Path(folder)))
        else:
            count.skip("a database on SoftHSM", f"no SoftHSM at {module}")
        with tempfile.TemporaryDirectory() as folder:
            count.run("a database on the software device", lambda: on_software_device(program, Path(folder)))

    print(f"{count.passed} passed, {count.failed} failed, {count.skipped} skipped")
    return 1 if count.failed or not count.passed else 0


if __name__ == "__main__":
    sys.exit(main())

package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// refusal is what a reader panics with: what it reads is not what Strongroom wrote. The openers return it as an error.
type refusal string

func (r refusal) Error() string { return string(r) }

func demand(condition bool, why string, args ...any) {
	if !condition {
		panic(refusal(fmt.Sprintf(why, args...)))
	}
}

// refusing turns a refusal into an error. Any other panic is a bug of this program and goes on.
func refusing(err *error) {
	switch found := recover().(type) {
	case nil:
	case refusal:
		*err = found
	default:
		panic(found)
	}
}

// records reads a bundle from its first record to its last.
type records struct {
	all []string
	at  int
}

func (r *records) peek() string {
	if r.at == len(r.all) {
		return ""
	}
	tag, _, _ := strings.Cut(r.all[r.at], " ")
	return tag
}

func (r *records) next(tag string) string {
	demand(r.peek() == tag, "record %d is no %s", r.at, tag)
	_, rest, _ := strings.Cut(r.all[r.at], " ")
	r.at++
	return rest
}

func fields(text string, count int) []string {
	parts := strings.Split(text, " ")
	demand(len(parts) == count, "a record of other than %d fields", count)
	return parts
}

func decimal(text string) int64 {
	number, err := strconv.ParseInt(text, 10, 64)
	demand(err == nil && strconv.FormatInt(number, 10) == text && number >= 0, "a number is not in its one form")
	return number
}

// Base64 in its one form: Go's decoder would pass over newlines, and over stray bits if it were not strict.
func unbase64(text string) []byte {
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	demand(err == nil && !strings.ContainsAny(text, "\r\n"), "base64")
	return data
}

func hash(data []byte) tlog.Hash {
	var hash tlog.Hash
	demand(len(data) == len(hash), "a hash of %d bytes", len(data))
	copy(hash[:], data)
	return hash
}

func hashes(text string) []tlog.Hash {
	var all []tlog.Hash
	for _, word := range strings.Fields(text) {
		all = append(all, hash(unbase64(word)))
	}
	return all
}

func unhex(text string, count int) []byte {
	data, err := hex.DecodeString(text)
	demand(err == nil && len(data) == count && strings.ToLower(text) == text, "hex")
	return data
}

func u64(number int64) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(number))
}

// verifier makes x/mod read a vkey.
func verifier(vkey string) note.Verifier {
	key, err := note.NewVerifier(vkey)
	demand(err == nil, "vkey: %v", err)
	return key
}

// openNote has x/mod verify a note, and returns its text.
func openNote(signed []byte, key note.Verifier) string {
	opened, err := note.Open(signed, note.VerifierList(key))
	demand(err == nil, "note: %v", err)
	return opened.Text
}

// Commit is a leaf of the head log.
type Commit struct {
	N, Time   int64
	Epoch     uint32
	HeadsRoot tlog.Hash
	Stats     tlog.Hash
}

func parseCommit(leaf []byte) Commit {
	label := []byte("sr-commit/v1")
	demand(len(leaf) == 96 && bytes.HasPrefix(leaf, label), "no commit")
	return Commit{
		N:         int64(binary.BigEndian.Uint64(leaf[12:])),
		Time:      int64(binary.BigEndian.Uint64(leaf[20:])),
		Epoch:     binary.BigEndian.Uint32(leaf[28:]),
		HeadsRoot: hash(leaf[32:64]),
		Stats:     hash(leaf[64:]),
	}
}

// Certificate is what the device says of a key that signs commits.
type Certificate struct {
	Epoch             uint32
	Key               note.Verifier
	PublicKey         []byte
	Opened, HardLimit int64
	SeenSize          int64
	SeenRoot          tlog.Hash
}

// openCertificate verifies it by the root key. Only Ed25519 devices have notes that x/mod can read.
func openCertificate(signed []byte, root note.Verifier, origin string) Certificate {
	lines := strings.Split(openNote(signed, root), "\n")
	demand(len(lines) == 11 && lines[10] == "", "certificate: its lines")
	demand(lines[0] == origin+"/epochs" && lines[1] == "strongroom-epoch/v1", "certificate: of something else")
	said := map[string]string{}
	for i, name := range []string{"deployment", "epoch", "key", "opened", "ends", "hard-limit", "seen", "boot"} {
		tag, rest, _ := strings.Cut(lines[i+2], " ")
		demand(tag == name, "certificate: no %s", name)
		said[name] = rest
	}
	seen := fields(said["seen"], 2)
	key := verifier(said["key"])
	demand(key.Name() == origin+"/heads", "certificate: a key of another name")
	demand(decimal(said["opened"]) <= decimal(said["ends"]), "certificate: its times")
	demand(decimal(said["ends"]) <= decimal(said["hard-limit"]), "certificate: its times")
	return Certificate{
		Epoch:     uint32(decimal(said["epoch"])),
		Key:       key,
		PublicKey: unbase64(strings.SplitN(said["key"], "+", 3)[2])[1:],
		Opened:    decimal(said["opened"]),
		HardLimit: decimal(said["hard-limit"]),
		SeenSize:  decimal(seen[0]),
		SeenRoot:  hash(unbase64(seen[1])),
	}
}

// Line is what this reader wants to know of an audit line.
type Line struct {
	Act  string  `json:"act"`
	Det  string  `json:"det"`
	Ep   uint32  `json:"ep"`
	Log  string  `json:"log"`
	Obj  *Object `json:"obj"`
	Ph   string  `json:"ph"`
	Pos  *int64  `json:"pos"`
	Prev string  `json:"prev"`
	Res  struct {
		Ok bool `json:"ok"`
	} `json:"res"`
	Seq int64 `json:"seq"`
	Ts  int64 `json:"ts"`
	V   int64 `json:"v"`
}

// Object is what a line is about.
type Object struct {
	ID  string `json:"id"`
	Ver int64  `json:"ver"`
}

func parseLine(text string) Line {
	var line Line
	err := json.Unmarshal([]byte(text), &line)
	demand(err == nil && line.V == 1, "line: %v", err)
	return line
}

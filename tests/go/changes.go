package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// changes counts what was changed, in the whole run, and refused as it should be.
var changes int

// refused fails if a change was not refused.
func refused(err error, what string, args ...any) {
	changes++
	if err == nil {
		panic(accepted(fmt.Sprintf(what, args...)))
	}
}

// accepted is what a test panics with when a change went unnoticed.
type accepted string

// changeNote flips bits of every byte of a note: of its text, and of its signature.
func changeNote(signed []byte, key note.Verifier) error {
	known := note.VerifierList(key)
	good, err := note.Open(signed, known)
	if err != nil {
		return err
	}
	for at := range signed {
		for _, bits := range []byte{0x01, 0x20, 0x80} {
			changed := append([]byte(nil), signed...)
			changed[at] ^= bits
			opened, err := note.Open(changed, known)
			// Go's base64 has bits that mean nothing, in the last letter before the padding. Ours is strict.
			if err == nil && opened.Text == good.Text && sameSignature(opened, good) {
				continue
			}
			refused(err, "byte %d of a note", at)
		}
	}
	return nil
}

func sameSignature(a, b *note.Note) bool {
	decoded := func(n *note.Note) []byte {
		data, _ := base64.StdEncoding.DecodeString(n.Sigs[0].Base64)
		return data
	}
	return bytes.Equal(decoded(a), decoded(b))
}

// changeRecords opens a bundle again and again, each time with something else that is not as it was.
func changeRecords(all []string, open func([]string) error) error {
	change := func(what string, edit func(changed []string) []string) {
		refused(open(edit(append([]string(nil), all...))), what)
	}
	for i, record := range all {
		i := i
		// What came before a tenant's log is in the `prev` of its first line, together with the key of that line's epoch.
		// A tenant's bundle has one certificate: where the first line is an older epoch's, nobody can tell.
		if i == 2 && strings.HasSuffix(all[0], " tenant") && !strings.HasPrefix(record, "generation 1 ") {
			continue
		}
		const bytesPerRecord = 10
		step := len(record)/bytesPerRecord + 1
		for at := len(record) - 1; at >= 0; at -= step {
			change(fmt.Sprintf("byte %d of record %d, %.20s", at, i, record), func(changed []string) []string {
				flipped := []byte(record)
				flipped[at] ^= 1
				changed[i] = string(flipped)
				return changed
			})
		}
		change(fmt.Sprintf("record %d gone, %.20s", i, record), func(changed []string) []string {
			return append(changed[:i], changed[i+1:]...)
		})
		change(fmt.Sprintf("record %d twice, %.20s", i, record), func(changed []string) []string {
			return append(changed[:i+1], all[i:]...)
		})
		change(fmt.Sprintf("cut before record %d, %.20s", i, record), func(changed []string) []string {
			return changed[:i]
		})
		if i+1 < len(all) && !exchangeable(record, all[i+1]) {
			change(fmt.Sprintf("records %d and the next swapped, %.20s", i, record), func(changed []string) []string {
				changed[i], changed[i+1] = changed[i+1], changed[i]
				return changed
			})
		}
	}
	return nil
}

// exchangeable records are lines of different logs, which may stand in any order in a commit, and the logs that a
// generation starts with.
func exchangeable(a, b string) bool {
	if strings.HasPrefix(a, "tenant ") && strings.HasPrefix(b, "tenant ") {
		return true
	}
	if !strings.HasPrefix(a, "line ") || !strings.HasPrefix(b, "line ") {
		return false
	}
	return parseLine(a[len("line "):]).Log != parseLine(b[len("line "):]).Log
}

// changeProof changes each node of a proof, and how many there are.
func changeProof(proof []tlog.Hash, check func([]tlog.Hash) error) {
	for i := range proof {
		changed := append([]tlog.Hash(nil), proof...)
		changed[i][i%tlog.HashSize] ^= 1
		refused(check(changed), "node %d of a proof", i)
		refused(check(append(append([]tlog.Hash(nil), proof[:i]...), proof[i+1:]...)), "a proof without node %d", i)
	}
	refused(check(append(append([]tlog.Hash(nil), proof...), tlog.Hash{})), "a longer proof")
}

// changeTiles flips a byte in every file of a log, one after the other.
func changeTiles(tree *Tree, tiles *Tiles) {
	for path, file := range tiles.files {
		for _, at := range []int{0, len(file) - 1} {
			changed := append([]byte(nil), file...)
			changed[at] ^= 1
			tiles.files[path] = changed
			refused(tiles.ReadAll(tree), "byte %d of %s", at, path)
		}
		tiles.files[path] = file
	}
}

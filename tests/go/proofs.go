package main

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// proofs are those that Strongroom's own code made, as `tests/examples/prove_log.rs` writes them.
type proofs struct {
	trees  map[string]*Tree
	passed int
	// Each so-manieth proof is also changed.
	every int
}

// countingTree is the log that prove_log makes up, so that there is one with more leaves than fit in a tile.
func countingTree() *Tree {
	tree := &Tree{}
	for i := int64(0); i < 600; i++ {
		tree.Append(u64(i))
	}
	return tree
}

// check has tlog check every proof, and make it itself: they are the same, hash by hash.
func (p *proofs) check(output []byte) (err error) {
	defer refusing(&err)
	lines := bufio.NewScanner(bytes.NewReader(output))
	for lines.Scan() {
		words := strings.SplitN(lines.Text(), " ", 5)
		demand(len(words) == 5, "prove_log wrote something else: %.60s", lines.Text())
		tree := p.trees[words[1]]
		demand(tree != nil, "a proof of a log that is not there: %s", words[1])
		small, size, nodes := decimal(words[2]), decimal(words[3]), hashes(words[4])
		demand(size <= tree.size, "%s: it has not %d leaves", words[1], size)
		root := tree.RootAt(size)

		var check func([]tlog.Hash) error
		var own []tlog.Hash
		switch words[0] {
		case "inclusion":
			check = func(nodes []tlog.Hash) error { return tlog.CheckRecord(nodes, size, root, small, tree.Leaf(small)) }
			own, err = tlog.ProveRecord(size, small, tree)
		case "consistency":
			check = func(nodes []tlog.Hash) error { return tlog.CheckTree(nodes, size, root, small, tree.RootAt(small)) }
			own, err = tlog.ProveTree(size, small, tree)
		default:
			demand(false, "prove_log wrote something else: %s", words[0])
		}
		if err == nil {
			err = check(nodes)
		}
		if err == nil && fmt.Sprint(nodes) != fmt.Sprint(own) {
			err = fmt.Errorf("tlog's own proof is another")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", strings.Join(words[:4], " "), err)
		}
		if p.passed++; p.passed%p.every == 0 {
			changeProof(nodes, check)
		}
	}
	return lines.Err()
}

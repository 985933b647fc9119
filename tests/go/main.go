// Reads Strongroom's audit log with the code that keeps Go's own checksum database honest.
//
// Our notes, checkpoints, trees and proofs claim to be the ones that everybody else has: signed notes (c2sp.org/signed-note)
// and RFC 6962 trees. Here golang.org/x/mod, which has none of our code, opens the notes and checks the trees and proofs:
// of the published vectors, and of bundles that the `strongroom` program has just written. Then each is changed in every
// way we could think of, and each change must be refused. What is ours here is only the parser of bundles, written
// from docs/formats.md §6 to §8.
//
// It takes no arguments. STRONGROOM_BIN names the program, STRONGROOM_PROVE the example `prove_log`, which writes proofs
// made by our own code, and STRONGROOM_TEST_PKCS11 SoftHSM's module. Its last line is `N passed, N failed, N skipped`;
// it exits with 1 if anything failed.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// count is what the last line says.
type count struct {
	passed, failed, skipped int
}

// run counts one test. It fails by an error, or because it accepted a change; any other panic is a bug here.
func (c *count) run(name string, test func() error) {
	err := func() (err error) {
		defer func() {
			switch found := recover().(type) {
			case nil:
			case accepted:
				err = errors.New("accepted with a change: " + string(found))
			default:
				panic(found)
			}
		}()
		return test()
	}()
	if err != nil {
		c.failed++
		fmt.Printf("FAILED: %s: %v\n", name, err)
		return
	}
	c.passed++
}

func (c *count) skip(name, why string) {
	c.skipped++
	fmt.Printf("SKIPPED: %s: %s\n", name, why)
}

// vector is one of tests/vectors that holds a bundle.
type vector struct {
	Kind     string    `json:"kind"`
	Outcome  string    `json:"outcome"`
	Bundle   []string  `json:"bundle"`
	RootVkey string    `json:"root_vkey"`
	Receipts []Receipt `json:"receipts"`
}

func main() {
	var c count
	c.vectors("../vectors")
	c.proofs("a log that counts to 600", map[string]*Tree{"counting": countingTree()}, "")
	c.programs()
	fmt.Printf("%d changes tried and refused\n", changes)
	fmt.Printf("%d passed, %d failed, %d skipped\n", c.passed, c.failed, c.skipped)
	if c.failed > 0 || c.passed == 0 {
		os.Exit(1)
	}
}

// vectors reads those that hold a bundle, and compares with their stated outcome.
func (c *count) vectors(folder string) {
	files, _ := filepath.Glob(filepath.Join(folder, "*.json"))
	for _, file := range files {
		var v vector
		text, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(text, &v)
		}
		name := filepath.Base(file)
		switch {
		case err != nil:
			c.run(name, func() error { return err })
		case v.Kind != "bundle":
		case v.Outcome == "refused":
			c.run(name, func() error {
				root, err := note.NewVerifier(v.RootVkey)
				if err != nil {
					return err
				}
				refused(open(v.Bundle, root), "it as a whole")
				return nil
			})
		default:
			c.bundle(name, v.Bundle, v.RootVkey, v.Receipts)
		}
	}
}

// open reads a bundle of either kind.
func open(bundle []string, root note.Verifier) error {
	if strings.HasSuffix(bundle[0], " tenant") {
		_, err := OpenTenant(bundle, root)
		return err
	}
	_, err := OpenFull(bundle, root)
	return err
}

// bundle opens a good bundle, has tlog look at its trees, and then changes everything in it.
func (c *count) bundle(name string, records []string, vkey string, receipts []Receipt) {
	root, err := note.NewVerifier(vkey)
	if err == nil {
		err = open(records, root)
	}
	c.run(name+": opens", func() error { return err })
	if err != nil {
		return
	}
	var notes [][]byte
	var keys []note.Verifier
	if strings.HasSuffix(records[0], " tenant") {
		tenant, _ := OpenTenant(records, root)
		notes, keys = [][]byte{tenant.Checkpoint}, []note.Verifier{tenant.Key}
		c.tiles(name, map[string]*Tree{"the tenant's log": &tenant.Log.Tree})
	} else {
		full, _ := OpenFull(records, root)
		notes, keys = full.Notes, full.Keys
		for i, receipt := range receipts {
			c.run(fmt.Sprintf("%s: receipt %d", name, i), func() error { return full.CheckReceipt(receipt) })
		}
		c.run(name+": receipts changed", func() error { return changeReceipts(full, receipts) })
		c.tiles(name, full.trees())
		c.proofs(name, full.trees(), strings.Join(records, "\n")+"\n")
	}
	c.run(name+": notes changed", func() error {
		for i, signed := range notes {
			if err := changeNote(signed, keys[i]); err != nil {
				return err
			}
		}
		return nil
	})
	c.run(name+": records changed", func() error {
		return changeRecords(records, func(changed []string) error {
			if len(changed) == 0 {
				return errors.New("nothing")
			}
			return open(changed, root)
		})
	})
}

// trees of all generations, by the names that prove_log gives them.
func (f *Full) trees() map[string]*Tree {
	trees := map[string]*Tree{}
	for _, g := range f.Generations {
		trees[g.Origin+"/heads"] = &g.HeadLog
		for name, log := range g.Logs {
			if log.Tree.size > 0 {
				trees[name] = &log.Tree
			}
		}
	}
	return trees
}

func changeReceipts(full *Full, receipts []Receipt) error {
	for _, receipt := range receipts {
		for what, change := range map[string]func(*Receipt){
			"seq":       func(r *Receipt) { r.Seq++ },
			"leaf":      func(r *Receipt) { r.Leaf = flipped(r.Leaf) },
			"head size": func(r *Receipt) { r.HeadSize-- },
			"head root": func(r *Receipt) { r.HeadRoot = flipped(r.HeadRoot) },
			"epoch":     func(r *Receipt) { r.Epoch += 1000 },
			"signature": func(r *Receipt) { r.Signature = flipped(r.Signature) },
			"origin":    func(r *Receipt) { r.Origin += "0" },
		} {
			changed := receipt
			change(&changed)
			refused(full.CheckReceipt(changed), "the %s of a receipt", what)
		}
	}
	return nil
}

// flipped is hex with another first digit.
func flipped(text string) string {
	if text[0] == '0' {
		return "1" + text[1:]
	}
	return "0" + text[1:]
}

// tiles serves trees as files, small and of the usual size, and reads them back.
func (c *count) tiles(name string, trees map[string]*Tree) {
	for log, tree := range trees {
		for _, height := range []int{2, 8} {
			c.run(fmt.Sprintf("%s: tiles of height %d of %s", name, height, log), func() error {
				tiles, err := TilesOf(tree, height)
				if err != nil {
					return err
				}
				if err := tiles.ReadAll(tree); err != nil {
					return err
				}
				changeTiles(tree, tiles)
				return nil
			})
		}
	}
}

// proofs has prove_log make proofs, of a bundle or of a log it makes up, and tlog check them.
func (c *count) proofs(name string, trees map[string]*Tree, bundle string) {
	prove := os.Getenv("STRONGROOM_PROVE")
	if prove == "" {
		c.skip(name+": proofs", "STRONGROOM_PROVE does not name the example prove_log")
		return
	}
	c.run(name+": proofs", func() error {
		command := exec.Command(prove)
		command.Stdin = strings.NewReader(bundle)
		command.Stderr = os.Stderr
		output, err := command.Output()
		if err != nil {
			return fmt.Errorf("prove_log: %w", err)
		}
		proofs := proofs{trees: trees, every: 10}
		if err := proofs.check(output); err != nil {
			return err
		}
		if proofs.passed == 0 {
			return errors.New("prove_log wrote no proof")
		}
		fmt.Printf("%s: %d proofs of ours are tlog's too\n", name, proofs.passed)
		return nil
	})
}

// programs reads what the program has just written, on either kind of device.
func (c *count) programs() {
	path, module := os.Getenv("STRONGROOM_BIN"), os.Getenv("STRONGROOM_TEST_PKCS11")
	if path == "" {
		c.skip("bundles just written", "STRONGROOM_BIN does not name the program")
		return
	}
	c.program("the software device", func(folder string) (*Program, error) { return onSoftwareDevice(path, folder) })
	if module == "" {
		c.skip("bundles of a deployment on SoftHSM", "STRONGROOM_TEST_PKCS11 does not name its module")
		return
	}
	c.program("SoftHSM", func(folder string) (*Program, error) { return onSoftHSM(path, folder, module) })
}

func (c *count) program(name string, on func(folder string) (*Program, error)) {
	folder, err := os.MkdirTemp("", "strongroom-go-")
	if err != nil {
		c.run(name, func() error { return err })
		return
	}
	defer os.RemoveAll(folder)
	program, err := on(folder)
	var vkey string
	if err == nil {
		vkey, err = program.live()
	}
	c.run("a deployment on "+name, func() error { return err })
	if err != nil {
		return
	}
	receipts := program.receipts // That of the export itself is of a commit after what it exports.
	records, err := program.export("full.bundle", "--deployment")
	c.run("the log of a deployment on "+name+": exported", func() error { return err })
	if err == nil {
		c.bundle("the log of a deployment on "+name, records, vkey, receipts)
		c.run("a receipt of what the restore lost, on "+name, func() error { return lost(records, vkey, program.lost) })
	}
	records, err = program.export("tenant.bundle", "--tenant", "acme")
	c.run("a tenant's log on "+name+": exported", func() error { return err })
	if err == nil {
		c.bundle("a tenant's log on "+name, records, vkey, nil)
	}
}

// lost demands that receipts of what is no longer in the log do not hold: so a rollback is found.
func lost(records []string, vkey string, receipts []Receipt) error {
	root, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	full, err := OpenFull(records, root)
	if err != nil {
		return err
	}
	for _, receipt := range receipts {
		refused(full.CheckReceipt(receipt), "what the log had lost")
	}
	return nil
}

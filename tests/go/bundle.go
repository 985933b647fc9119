package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"sort"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Log is the log of a tenant, or `sys`.
type Log struct {
	Name     string
	Position int64
	Ref      []byte
	Closed   bool
	Tree     Tree
	last     string // The leaf hash of its last line.
}

// head is the log's leaf in the heads tree.
func (l *Log) head() tlog.Hash {
	status := byte(1)
	if l.Closed {
		status = 2
	}
	root := l.Tree.Root()
	leaf := append([]byte("sr-head/v1"), l.Ref...)
	leaf = append(append(append(leaf, u64(l.Tree.size)...), root[:]...), status)
	return tlog.RecordHash(leaf)
}

func (l *Log) append(text string, line Line) {
	demand(line.Seq == l.Tree.size, "%s: line %d is not there", l.Name, l.Tree.size)
	demand(l.last == "" || line.Prev == l.last, "%s: the chain breaks at %d", l.Name, line.Seq)
	l.Tree.Append([]byte(text))
	leaf := l.Tree.Leaf(line.Seq)
	l.last = hex.EncodeToString(leaf[:])
}

func genesis(log string, key, previous []byte) string {
	input := append([]byte("sr-genesis/v1\x00"+log+"\x00"), key...)
	sum := sha256.Sum256(append(input, previous...))
	return hex.EncodeToString(sum[:])
}

// Generation is one life of a deployment: from `init` or `restore` on.
type Generation struct {
	Origin   string
	Logs     map[string]*Log
	HeadLog  Tree
	Epochs   map[uint32]Certificate
	Commits  []Commit
	opened   map[uint32]bool
	closing  []uint32          // Closed by the commit being read, which may still be theirs.
	prints   map[string]uint32 // Epochs by the hash of their certificates.
	previous []byte
	lines    int64
}

// Full is the log of a whole deployment, every tree of it built anew by tlog.
type Full struct {
	Generations []*Generation
	Notes       [][]byte // Certificates and checkpoints, for those who want to change them,
	Keys        []note.Verifier
}

// OpenFull reads a full bundle. All that it returns follows from the root key.
func OpenFull(all []string, root note.Verifier) (full *Full, err error) {
	defer refusing(&err)
	r := &records{all: all}
	full = &Full{}
	demand(r.next("strongroom-bundle/v1") == "full", "not a full bundle")
	first := r.next("origin")
	demand(root.Name() == first+"/root", "the root key is another deployment's")
	lines := int64(0)
	var previous *Generation
	for r.peek() == "generation" {
		generation := full.readGeneration(r, first, previous, root)
		lines += generation.lines
		previous = generation
	}
	demand(previous != nil, "no generation")
	demand(decimal(r.next("end")) == lines && r.at == len(all), "it does not end with its number of lines")
	return full, nil
}

func (f *Full) readGeneration(r *records, first string, before *Generation, root note.Verifier) *Generation {
	k := int64(len(f.Generations)) + 1
	g := &Generation{
		Origin: first, Logs: map[string]*Log{}, Epochs: map[uint32]Certificate{}, opened: map[uint32]bool{},
		prints: map[string]uint32{},
	}
	f.Generations = append(f.Generations, g)
	said := fields(r.next("generation"), 3)
	demand(decimal(said[0]) == k, "generations out of order")
	if before == nil {
		demand(said[1] == "0" && said[2] == "-", "generation 1 begins with nothing")
	} else {
		g.Origin = fmt.Sprintf("%s/g%d", first, k)
		ended := before.HeadLog.Root()
		demand(decimal(said[1]) == before.HeadLog.size && hash(unbase64(said[2])) == ended, "another generation before")
		g.previous = append(u64(before.HeadLog.size), ended[:]...)
	}
	for r.peek() == "tenant" {
		said := fields(r.next("tenant"), 3)
		demand(said[2] == "1" || said[2] == "2", "a status")
		g.addLog(decimal(said[0]), unhex(said[1], 16)).Closed = said[2] == "2"
	}
	g.demandSameLogs(before)

	for r.peek() == "epoch" || r.peek() == "commit" {
		if r.peek() == "commit" {
			g.readCommit(r)
			continue
		}
		signed := unbase64(r.next("epoch"))
		certificate := openCertificate(signed, root, g.Origin)
		_, twice := g.Epochs[certificate.Epoch]
		demand(!twice, "an epoch's number twice")
		demand(certificate.SeenSize == g.HeadLog.size && certificate.SeenRoot == g.HeadLog.Root(), "it saw another log")
		g.Epochs[certificate.Epoch] = certificate
		sum := sha256.Sum256(signed)
		g.prints[hex.EncodeToString(sum[:])] = certificate.Epoch
		f.Notes, f.Keys = append(f.Notes, signed), append(f.Keys, root)
	}

	demand(len(g.Commits) > 0, "a generation without commits")
	signed := unbase64(r.next("checkpoint"))
	key := g.Epochs[g.Commits[len(g.Commits)-1].Epoch].Key
	demand(openNote(signed, key) == g.checkpoint(g.HeadLog.size), "a checkpoint of another size or root")
	f.Notes, f.Keys = append(f.Notes, signed), append(f.Keys, key)
	return g
}

// checkpoint is the text of one.
func (g *Generation) checkpoint(size int64) string {
	return fmt.Sprintf("%s/heads\n%d\n%s\n", g.Origin, size, g.HeadLog.RootAt(size))
}

func (g *Generation) addLog(position int64, ref []byte) *Log {
	name := g.Origin + "/sys"
	if position != 0 {
		name = fmt.Sprintf("%s/t/%x", g.Origin, ref)
	}
	for _, log := range g.Logs {
		demand(log.Position != position && string(log.Ref) != string(ref), "a position or a ref twice")
	}
	log := &Log{Name: name, Position: position, Ref: ref}
	g.Logs[name] = log
	return log
}

// demandSameLogs compares what a generation starts with: `sys` alone, or what the one before ended with.
func (g *Generation) demandSameLogs(before *Generation) {
	demand(g.Logs[g.Origin+"/sys"] != nil, "a generation without sys")
	if before == nil {
		demand(len(g.Logs) == 1, "a first generation that begins with tenants")
		return
	}
	list := func(g *Generation) []string {
		var all []string
		for _, log := range g.Logs {
			all = append(all, fmt.Sprint(log.Position, log.Ref, log.Closed))
		}
		sort.Strings(all)
		return all
	}
	demand(fmt.Sprint(list(g)) == fmt.Sprint(list(before)), "a generation that begins with other tenants")
}

func (g *Generation) readCommit(r *records) {
	said := fields(r.next("commit"), 2)
	leaf, blind := unbase64(said[0]), unhex(said[1], 16)
	commit := parseCommit(leaf)
	demand(commit.N == g.HeadLog.size, "commit %d is not there", g.HeadLog.size)
	if commit.N > 0 {
		demand(commit.Time >= g.Commits[commit.N-1].Time, "time goes back")
	}
	certificate, known := g.Epochs[commit.Epoch]
	demand(known, "commit %d: no certificate", commit.N)
	demand(certificate.Opened <= commit.Time && commit.Time <= certificate.HardLimit, "commit %d: its time", commit.N)

	before := g.lines
	for r.peek() == "line" {
		text := r.next("line")
		line := parseLine(text)
		demand(line.Ep == commit.Epoch && line.Ts == commit.Time, "a line of another commit")
		log := g.Logs[line.Log]
		demand(log != nil, "a line of a log that is not there")
		if line.Seq == 0 {
			demand(line.Prev == genesis(log.Name, certificate.PublicKey, g.previous), "%s: not its beginning", log.Name)
		}
		log.append(text, line)
		g.explain(log, line)
		g.lines++
	}
	demand(g.lines > before, "a commit without lines")
	demand(g.opened[commit.Epoch], "commit %d: its epoch is not open", commit.N)
	for _, epoch := range g.closing {
		delete(g.opened, epoch)
	}
	g.closing = nil
	demand(g.headsRoot() == commit.HeadsRoot, "commit %d: another heads root", commit.N)
	stats := append([]byte("sr-stats/v1"), blind...)
	stats = append(append(stats, u64(int64(len(g.Logs)))...), u64(g.lines)...)
	demand(sha256.Sum256(stats) == commit.Stats, "commit %d: other numbers", commit.N)
	g.HeadLog.Append(leaf)
	g.Commits = append(g.Commits, commit)
}

// explain follows what the lines of `sys` say of tenants and epochs.
func (g *Generation) explain(log *Log, line Line) {
	if log.Position != 0 || line.Ph != "result" || !line.Res.Ok || line.Obj == nil {
		return
	}
	switch line.Act {
	case "tenant.create":
		demand(line.Pos != nil, "a tenant without a position")
		g.addLog(*line.Pos, unhex(line.Obj.ID, 16))
	case "tenant.close":
		closed := g.Logs[fmt.Sprintf("%s/t/%s", g.Origin, line.Obj.ID)]
		demand(closed != nil, "a tenant that is not there is closed")
		closed.Closed = true
	case "epoch.open":
		epoch, known := g.prints[line.Det]
		demand(known && int64(epoch) == line.Obj.Ver, "an epoch without its certificate")
		g.opened[epoch] = true
	case "epoch.close":
		g.closing = append(g.closing, uint32(line.Obj.Ver))
	}
}

// headsTree has a leaf at each position in use, and the empty leaf everywhere else.
func (g *Generation) headsTree() *Tree {
	size := int64(1024)
	heads := map[int64]tlog.Hash{}
	for _, log := range g.Logs {
		for size <= log.Position {
			size *= 2
		}
		heads[log.Position] = log.head()
	}
	tree, empty := &Tree{}, tlog.RecordHash([]byte("sr-head-empty/v1"))
	for position := int64(0); position < size; position++ {
		leaf, used := heads[position]
		if !used {
			leaf = empty
		}
		tree.AppendHash(leaf)
	}
	return tree
}

func (g *Generation) headsRoot() tlog.Hash { return g.headsTree().Root() }

// Receipt is what the answer to an operation holds.
type Receipt struct {
	Origin    string `json:"origin"`
	Seq       int64  `json:"seq"`
	Leaf      string `json:"leaf"`
	HeadSize  int64  `json:"head_size"`
	HeadRoot  string `json:"head_root"`
	Epoch     uint32 `json:"epoch"`
	Signature string `json:"signature"`
}

// note is the checkpoint in a receipt, as the signed note that it was.
func (receipt Receipt) note(heads string, key note.Verifier) []byte {
	root := hash(unhex(receipt.HeadRoot, 32))
	signature := binary.BigEndian.AppendUint32(nil, key.KeyHash())
	signature = append(signature, unhex(receipt.Signature, 64)...)
	return []byte(fmt.Sprintf("%s\n%d\n%s\n\n— %s %s\n", heads, receipt.HeadSize, root, key.Name(),
		base64.StdEncoding.EncodeToString(signature)))
}

// CheckReceipt finds the line in the bundle, and the head in the history of the head log.
func (f *Full) CheckReceipt(receipt Receipt) (err error) {
	defer refusing(&err)
	for _, g := range f.Generations {
		log := g.Logs[receipt.Origin]
		if log == nil {
			continue
		}
		demand(0 < receipt.HeadSize && receipt.HeadSize <= g.HeadLog.size, "a head of another size")
		key := g.Epochs[receipt.Epoch].Key
		demand(key != nil, "an unknown epoch")
		text := openNote(receipt.note(g.Origin+"/heads", key), key)
		demand(text == g.checkpoint(receipt.HeadSize), "another head")
		demand(receipt.Seq < log.Tree.size && log.Tree.Leaf(receipt.Seq) == hash(unhex(receipt.Leaf, 32)), "another line")
		proof, err := tlog.ProveTree(g.HeadLog.size, receipt.HeadSize, &g.HeadLog)
		demand(err == nil, "%v", err)
		old := hash(unhex(receipt.HeadRoot, 32))
		return tlog.CheckTree(proof, g.HeadLog.size, g.HeadLog.Root(), receipt.HeadSize, old)
	}
	return refusal("a log that is not there")
}

// Tenant is one log, with the proofs that lead from its last line to a signed checkpoint.
type Tenant struct {
	Log        Log
	Checkpoint []byte
	Key        note.Verifier
}

// OpenTenant reads a tenant's bundle; its proofs are tlog's to check.
func OpenTenant(all []string, root note.Verifier) (tenant *Tenant, err error) {
	defer refusing(&err)
	r := &records{all: all}
	demand(r.next("strongroom-bundle/v1") == "tenant", "not a tenant's bundle")
	origin := r.next("origin")
	demand(root.Name() == origin+"/root", "the root key is another deployment's")
	said := fields(r.next("generation"), 3)
	var previous []byte
	if k := decimal(said[0]); k == 1 {
		demand(said[1] == "0" && said[2] == "-", "generation 1 begins with nothing")
	} else {
		origin = fmt.Sprintf("%s/g%d", origin, k)
		ended := hash(unbase64(said[2]))
		previous = append(u64(decimal(said[1])), ended[:]...)
	}
	certificate := openCertificate(unbase64(r.next("epoch")), root, origin)
	said = fields(r.next("log"), 2)
	log := Log{Position: decimal(said[0]), Ref: unhex(said[1], 16), Name: origin + "/sys"}
	if log.Position != 0 {
		log.Name = fmt.Sprintf("%s/t/%x", origin, log.Ref)
	}
	for r.peek() == "line" {
		text := r.next("line")
		line := parseLine(text)
		demand(line.Log == log.Name, "a line of another log")
		if line.Seq == 0 && line.Ep == certificate.Epoch {
			demand(line.Prev == genesis(log.Name, certificate.PublicKey, previous), "not the log's beginning")
		}
		log.append(text, line)
	}
	said = fields(r.next("head"), 3)
	demand(decimal(said[0]) == log.Tree.size && hash(unbase64(said[1])) == log.Tree.Root(), "another head")
	demand(said[2] == "1" || said[2] == "2", "a status")
	log.Closed = said[2] == "2"
	size, nodes, _ := strings.Cut(r.next("heads-proof"), " ")
	leaf := unbase64(r.next("commit-leaf"))
	commit := parseCommit(leaf)
	err = tlog.CheckRecord(hashes(nodes), decimal(size), commit.HeadsRoot, log.Position, log.head())
	demand(err == nil, "heads proof: %v", err)
	nodes = r.next("commit-proof")
	demand(commit.Epoch == certificate.Epoch, "the certificate of another epoch")
	demand(certificate.Opened <= commit.Time && commit.Time <= certificate.HardLimit, "the commit's time")

	signed := unbase64(r.next("checkpoint"))
	checkpoint := strings.Split(openNote(signed, certificate.Key), "\n")
	demand(len(checkpoint) == 4 && checkpoint[0] == origin+"/heads" && checkpoint[3] == "", "the checkpoint's text")
	demand(commit.N == decimal(checkpoint[1])-1, "not the last commit")
	head := hash(unbase64(checkpoint[2]))
	err = tlog.CheckRecord(hashes(nodes), commit.N+1, head, commit.N, tlog.RecordHash(leaf))
	demand(err == nil, "commit proof: %v", err)
	demand(decimal(r.next("end")) == log.Tree.size && r.at == len(all), "it does not end with its number of lines")
	return &Tenant{log, signed, certificate.Key}, nil
}

package main

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Tree is a log as tlog keeps it: all hashes that never change again, in the order in which they are known.
type Tree struct {
	size   int64
	stored []tlog.Hash
}

// ReadHashes makes a Tree a tlog.HashReader.
func (t *Tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if index < 0 || index >= int64(len(t.stored)) {
			return nil, fmt.Errorf("no stored hash %d", index)
		}
		hashes[i] = t.stored[index]
	}
	return hashes, nil
}

// Append adds a leaf, given its data.
func (t *Tree) Append(data []byte) {
	t.AppendHash(tlog.RecordHash(data))
}

// AppendHash adds a leaf, given its hash.
func (t *Tree) AppendHash(leaf tlog.Hash) {
	hashes, err := tlog.StoredHashesForRecordHash(t.size, leaf, t)
	if err != nil {
		panic(err) // It asks only for hashes that are there.
	}
	t.stored = append(t.stored, hashes...)
	t.size++
}

// Leaf is the hash of a leaf.
func (t *Tree) Leaf(index int64) tlog.Hash {
	return t.stored[tlog.StoredHashIndex(0, index)]
}

// RootAt is the root the tree had with so many leaves.
func (t *Tree) RootAt(size int64) tlog.Hash {
	root, err := tlog.TreeHash(size, t)
	if err != nil {
		panic(err)
	}
	return root
}

// Root is the root over all leaves.
func (t *Tree) Root() tlog.Hash {
	return t.RootAt(t.size)
}

// Tiles is a log as a static file server would have it (c2sp.org/tlog-tiles): files of hashes by their path.
type Tiles struct {
	height int
	files  map[string][]byte
}

// TilesOf writes the files of a tree.
func TilesOf(tree *Tree, height int) (*Tiles, error) {
	tiles := &Tiles{height, map[string][]byte{}}
	for _, tile := range tlog.NewTiles(height, 0, tree.size) {
		data, err := tlog.ReadTileData(tile, tree)
		if err != nil {
			return nil, err
		}
		tiles.files[tile.Path()] = data
	}
	return tiles, nil
}

// Height is that of each tile.
func (t *Tiles) Height() int { return t.height }

// ReadTiles returns files.
func (t *Tiles) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	files := make([][]byte, len(tiles))
	for i, tile := range tiles {
		file, found := t.files[tile.Path()]
		if !found {
			return nil, errors.New("no file " + tile.Path())
		}
		files[i] = file
	}
	return files, nil
}

// SaveTiles would keep what was found to be good.
func (t *Tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// ReadAll reads every leaf through the tiles, which tlog checks against the root, and compares it with the tree's.
func (t *Tiles) ReadAll(tree *Tree) error {
	reader := tlog.TileHashReader(tlog.Tree{N: tree.size, Hash: tree.Root()}, t)
	for index := int64(0); index < tree.size; index++ {
		hashes, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
		if err != nil {
			return err
		}
		if hashes[0] != tree.Leaf(index) {
			return fmt.Errorf("leaf %d is another", index)
		}
	}
	return nil
}

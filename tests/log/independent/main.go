// Checks what `authgate audit` hands out with the Go implementations of signed notes, checkpoints,
// proofs and tiles: golang.org/x/mod/sumdb/{note,tlog} and filippo.io/torchwood.
//
// Arguments: the log's verifier key, a checkpoint, a proof, a folder of tiles. Prints the entries of
// the tree; ends with status 1 and a sentence at the first thing that does not hold.
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	key, checkpoint, proof, tiles := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	verifier, err := note.NewVerifier(key)
	must("the key", err)

	signed, err := os.ReadFile(checkpoint)
	must("the checkpoint", err)
	_, err = note.Open(signed, note.VerifierList(verifier))
	must("the note", err)
	policy := torchwood.ThresholdPolicy(2,
		torchwood.OriginPolicy(verifier.Name()), torchwood.SingleVerifierPolicy(verifier))
	head, _, err := torchwood.VerifyCheckpoint(signed, policy)
	must("the checkpoint", err)

	proved, err := os.ReadFile(proof)
	must("the proof", err)
	leaf, err := torchwood.ProofExtraData(proved)
	must("the proof's record", err)
	must("the proof", torchwood.VerifyProof(policy, tlog.RecordHash(leaf), proved))

	exported, err := os.ReadFile(tiles + "/checkpoint")
	must("the exported checkpoint", err)
	if !bytes.Equal(exported, signed) {
		must("the exported checkpoint", fmt.Errorf("it is another"))
	}
	files, err := torchwood.NewTileFS(os.DirFS(tiles))
	must("the tiles", err)
	client, err := torchwood.NewClient(files)
	must("the tiles", err)
	for _, entry := range client.AllEntries(context.Background(), head.Tree, 0) {
		fmt.Printf("%s\n", entry)
	}
	must("the tiles", client.Err())
}

func must(what string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
		os.Exit(1)
	}
}

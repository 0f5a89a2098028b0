package dav

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed cards/*.vcf
var cards embed.FS

// Cards returns the cards that the demo and the tests start with, by their
// file names: four people and one group, vCard 3 and 4.
func Cards() map[string]string {
	all := map[string]string{}
	entries, err := fs.ReadDir(cards, "cards")
	if err != nil {
		panic(err) // unreachable: the folder is in the program
	}
	for _, e := range entries {
		text, err := cards.ReadFile("cards/" + e.Name())
		if err != nil {
			panic(err) // unreachable, likewise
		}
		all[e.Name()] = strings.ReplaceAll(string(text), "\n", "\r\n")
	}
	return all
}

// Seed stores all of [Cards].
func (s *Server) Seed() error {
	for name, text := range Cards() {
		if err := s.Put(name, text); err != nil {
			return err
		}
	}
	return nil
}

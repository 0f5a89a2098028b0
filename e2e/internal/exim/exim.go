// Package exim runs a real Exim, the mail server of Debian's package
// exim4-daemon-light, for one test.
//
// # Promise
//
// The server listens on loopback only, on two free ports (TLS from the start,
// and STARTTLS), with a certificate that a CA of the test's own has signed. It
// takes mail from its one user after a login, and delivers none: messages stay
// in its queue, in a temporary folder. It is stopped, by its own process id,
// when the test ends. A test on a machine without Exim is skipped, saying what
// it needs.
package exim

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport-host/sallyport/e2e/internal/local"
)

// startTimeout is how long Exim may take to answer, or to end, on a busy
// machine.
const startTimeout = 30 * time.Second

// Server is a running Exim with one user.
type Server struct {
	User, Password string
	Name           string         // the host that its certificate is for
	Roots          *x509.CertPool // the CA that signed it

	TLS   *local.Relay // to where TLS is spoken from the start
	Plain *local.Relay // to where it comes by STARTTLS

	t   *testing.T
	dir string

	mu     sync.Mutex
	logins []string
}

// Start starts Exim under a host name of the caller's choice.
func Start(t *testing.T, name, account, password string) *Server {
	t.Helper()
	program, err := exec.LookPath("exim4")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/exim4"); err != nil { // not in everyone's PATH
			t.Skip("skip: needs exim4 (apt-get install exim4-daemon-light)")
		}
	}
	s := &Server{User: account, Password: password, Name: name, t: t}
	s.folder()
	cert, key, roots := local.Certify(t, s.dir, name)
	s.Roots = roots
	s.write("password", password)
	plain, onConnect := local.FreePort(t), local.FreePort(t)
	s.write("exim.conf", strings.NewReplacer("DIR", s.dir, "NAME", name, "ACCOUNT", account, "CERT", cert, "KEY", key, "PLAIN_PORT", strconv.Itoa(plain), "TLS_PORT", strconv.Itoa(onConnect), "TELL_PORT", strconv.Itoa(s.listen())).Replace(s.owner()+config))
	s.giveAway()
	s.launch(program, plain, onConnect)
	s.TLS, s.Plain = local.NewRelay(t, address(onConnect)), local.NewRelay(t, address(plain))
	return s
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// Where the file "echo" is, the server says what is in it in its greeting, in
// its answer to EHLO and, with what it was sent, to each login, which it
// refuses.
const config = `
primary_hostname = NAME
spool_directory = DIR/spool
log_file_path = DIR/spool/%slog
pid_file_path = DIR/spool/pid
keep_environment =
local_interfaces = 127.0.0.1
daemon_smtp_ports = PLAIN_PORT : TLS_PORT
tls_on_connect_ports = TLS_PORT
tls_advertise_hosts = *
tls_certificate = CERT
tls_privatekey = KEY
auth_advertise_hosts = ${if eq{$tls_in_cipher}{}{}{*}}
host_lookup =
queue_only = true
smtp_active_hostname = NAME${if exists{DIR/echo}{ ${readfile{DIR/echo}{}}}}
acl_smtp_auth = at_auth
acl_smtp_rcpt = at_rcpt

begin acl
at_auth:
  warn
    set acl_c_told = ${readsocket{inet:127.0.0.1:TELL_PORT}{${extract{1}{ }{$smtp_command_argument}}\n}{10s}{}{}}
  deny
    condition = ${if exists{DIR/echo}}
    message = 535 5.7.8 ${readfile{DIR/echo}{}} is wrong, you said $smtp_command_argument
  accept
at_rcpt:
  accept
    authenticated = *
  deny
    message = log in first

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and{{eq{$auth2}{ACCOUNT}}{eq{$auth3}{${readfile{DIR/password}}}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${if and{{eq{$auth1}{ACCOUNT}}{eq{$auth2}{${readfile{DIR/password}}}}}}
  server_set_id = $auth1
`

// owner is what the configuration says of whose server it is: root's becomes
// another user's by itself.
func (s *Server) owner() string {
	if os.Getuid() == 0 {
		return ""
	}
	return fmt.Sprintf("exim_user = %d\nexim_group = %d\nadmin_groups = %d\n", os.Getuid(), os.Getgid(), os.Getgid())
}

// folder makes the server's folder. Another user than root has to get into it,
// which the folders that testing makes do not allow.
func (s *Server) folder() {
	s.t.Helper()
	dir, err := os.MkdirTemp("", "exim-")
	if err == nil {
		err = errors.Join(os.Chmod(dir, 0o755), os.Mkdir(filepath.Join(dir, "spool"), 0o755))
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.dir = dir
	s.t.Cleanup(s.remove)
}

// remove takes the folder away. A child of the server's may write a last line
// to its log after the server has ended.
func (s *Server) remove() {
	deadline := time.Now().Add(startTimeout)
	err := os.RemoveAll(s.dir)
	for ; err != nil && time.Now().Before(deadline); err = os.RemoveAll(s.dir) {
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		s.t.Error(err)
	}
}

func (s *Server) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// giveAway gives what the server writes, and its certificate, to the user that Exim
// becomes when root starts it.
func (s *Server) giveAway() {
	s.t.Helper()
	if os.Getuid() != 0 {
		return
	}
	u, err := user.Lookup("Debian-exim")
	if err != nil {
		s.t.Fatal(err)
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	err = errors.Join(err1, err2)
	for _, name := range []string{"spool", "cert.pem", "key.pem"} {
		err = errors.Join(err, os.Chown(filepath.Join(s.dir, name), uid, gid))
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// launch runs the program until the test ends, and returns when it answers.
func (s *Server) launch(program string, ports ...int) {
	s.t.Helper()
	var output bytes.Buffer
	cmd := exec.Command(program, "-bdf", "-C", filepath.Join(s.dir, "exim.conf"))
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	s.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(startTimeout):
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	deadline := time.Now().Add(startTimeout)
	for !answers(ports) {
		select {
		case err := <-ended:
			ended <- err
			s.t.Fatalf("exim ended: %v\n%s", err, &output)
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("exim did not answer within %v", startTimeout)
		}
	}
}

func answers(ports []int) bool {
	for _, port := range ports {
		conn, err := net.Dial("tcp", address(port))
		if err != nil {
			return false
		}
		_ = conn.Close()
	}
	return true
}

// Echo has the server say text wherever it can, and refuse every login.
func (s *Server) Echo(text string) {
	s.t.Helper()
	s.write("echo", text)
}

// listen takes notice of each login, of which the server tells before it
// answers: it writes no log for an ordinary user. It returns the port.
func (s *Server) listen() int {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mechanism, _ := bufio.NewReader(conn).ReadString('\n')
			s.mu.Lock()
			s.logins = append(s.logins, strings.TrimSpace(mechanism))
			s.mu.Unlock()
			_ = conn.Close()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

// Logins returns by which mechanism each login so far was tried, in order.
func (s *Server) Logins() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.logins)
}

// Messages returns what is in the queue, each with its envelope before it.
func (s *Server) Messages() (all []string) {
	s.t.Helper()
	heads, err := filepath.Glob(filepath.Join(s.dir, "spool", "input", "*-H"))
	if err != nil {
		s.t.Fatal(err)
	}
	slices.Sort(heads)
	for _, head := range heads {
		envelope, err1 := os.ReadFile(head)
		text, err2 := os.ReadFile(strings.TrimSuffix(head, "H") + "D")
		if err := errors.Join(err1, err2); err != nil {
			s.t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s\n%s", envelope, text))
	}
	return all
}

package app

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/sallyport-host/sallyport/host"
)

// OutSink is what a run collects into.
type OutSink interface {
	host.Sink
	Close() error
}

// OpenSink opens the sink at path before a run starts, and refuses a place that
// cannot be written to. The error names the path.
type OpenSink func(path string) (OutSink, error)

// openOut opens what --out names: SCHEME:PATH for a scheme that is known, else
// a file.
func (a *App) openOut(out string) (OutSink, error) {
	scheme, path, _ := strings.Cut(out, ":")
	open, ok := a.Sinks[scheme]
	switch {
	case !ok:
		return newOutFile(out)
	case path == "":
		return nil, usage("--out %s: it names no file; write %s:FILE", out, scheme)
	}
	sink, err := open(path)
	own := (*Error)(nil)
	switch {
	case err == nil || errors.As(err, &own):
		return sink, err
	case errors.Is(err, fs.ErrNotExist):
		return nil, usage("--out %s: its folder is not there; make it first", out)
	}
	return nil, internal("--out %s: %w", scheme, err)
}

// outFile adds what a run collects to the end of a file, as an incremental run
// tells only what changed since the runs before it. The file is made, or
// changed, when there is something to add or the run has succeeded: a run that
// is refused leaves nothing behind. No other run adds to it meanwhile.
type outFile struct {
	path string

	mu     sync.Mutex // a run that was cancelled may leave a call under way
	file   *os.File
	unlock func()
	lines  *host.JSONLSink
}

var _ host.Sink = (*outFile)(nil)

// errOutLocked says that another process holds the lock of a file.
var errOutLocked = errors.New("another run is adding to it; wait until that has ended, or name another file")

// newOutFile refuses, before a run starts, a path that cannot be written to.
func newOutFile(path string) (*outFile, error) {
	if path == "-" {
		return nil, usage("--out -: the records go to stdout anyway; leave it out")
	}
	o := &outFile{path: path}
	_, err := os.Stat(path)
	if err == nil {
		return o, o.open()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fileError("--out", path, err)
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return nil, usage("--out %s: its folder is not there; make it first", path)
	}
	return o, nil
}

// open opens the file and locks it, if that was not done.
func (o *outFile) open() error {
	if o.file != nil {
		return nil
	}
	mode := os.O_RDWR // to see how it ends, and for a lock on Windows
	if info, err := os.Stat(o.path); err == nil && !info.Mode().IsRegular() {
		mode = os.O_WRONLY
	}
	f, err := os.OpenFile(o.path, mode|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fileError("--out", o.path, err)
	}
	unlock := func() {}
	if mode == os.O_RDWR {
		unlock, err = lockFile(f)
	}
	if err != nil {
		_ = f.Close() // nothing was written
		return internal("--out %s: %w", o.path, err)
	}
	o.file, o.unlock = f, unlock
	return nil
}

// begin returns the sink on the open file, at the beginning of a line.
func (o *outFile) begin() (*host.JSONLSink, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lines != nil {
		return o.lines, nil
	}
	if err := o.open(); err != nil {
		return nil, err
	}
	if err := endLine(o.file); err != nil {
		return nil, fileError("--out", o.path, err)
	}
	o.lines = host.NewJSONLSink(o.file)
	return o.lines, nil
}

// Write implements [host.Sink].
func (o *outFile) Write(ctx context.Context, m host.Message) error {
	s, err := o.begin()
	if err != nil {
		return err
	}
	return s.Write(ctx, m)
}

// Flush implements [host.Sink].
func (o *outFile) Flush(ctx context.Context) error {
	s, err := o.begin()
	if err != nil {
		return err
	}
	return s.Flush(ctx)
}

// Close lets others add to the file. What was flushed is durable.
func (o *outFile) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file == nil {
		return nil
	}
	o.unlock()
	return o.file.Close()
}

// endLine ends the line that a killed run left half written, so that the next
// record does not become a part of it and lost with it.
func endLine(f *os.File) error {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return err
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, info.Size()-1); err != nil || last[0] == '\n' {
		return err
	}
	_, err = f.WriteString("\n")
	return err
}

package app

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/manifests"
)

// connector is a package folder as the command line names it.
type connector struct {
	path     string // of the folder or the manifest
	manifest *manifests.Manifest
}

// keyPattern is what a connector_key looks like; anything with a slash or a
// dot in it is a path.
var keyPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$`)

// locate turns an argument into a path: one that exists, or that of a
// connector known by the key that arg is.
func (a *App) locate(arg string) string {
	if _, err := os.Stat(arg); err != nil && keyPattern.MatchString(arg) {
		if path, ok := a.known()[arg]; ok {
			return path
		}
	}
	return arg
}

// openManifest reads the manifest of the folder, or the manifest file, that
// arg names; modules need not be there yet.
func (a *App) openManifest(arg string) (*connector, error) {
	c := &connector{path: a.locate(arg)}
	file := c.path
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		file = filepath.Join(file, host.ManifestFile)
	}
	raw, err := readLimited(file, manifests.MaxBytes)
	if err != nil {
		return nil, notAConnector(arg, err)
	}
	if c.manifest, err = manifests.Parse(raw); err != nil {
		return nil, refused("manifest %s: %w", file, err)
	}
	if c.path != arg && c.manifest.ConnectorKey != arg {
		return nil, usage("%s is another connector by now; give the path of the folder of %s", c.path, arg)
	}
	return c, nil
}

// openPackage also reads the modules.
func (a *App) openPackage(arg string) (*connector, host.Package, error) {
	c, err := a.openManifest(arg)
	if err != nil {
		return nil, host.Package{}, err
	}
	pkg, err := host.ReadPackage(c.path)
	if err != nil && Exit(err) == Internal {
		err = usage("connector %s: %w", arg, err)
	}
	return c, pkg, err
}

func notAConnector(arg string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return usage("%s is no connector; give the path of its folder, which holds %s", arg, host.ManifestFile)
	}
	return fileError("connector", arg, err)
}

// connectorKey returns the key of the connector that arg names: a folder or
// manifest file, or, as the folder may be long gone, the key itself.
func (a *App) connectorKey(arg string) (string, error) {
	if _, err := os.Stat(arg); errors.Is(err, fs.ErrNotExist) && keyPattern.MatchString(arg) {
		return arg, nil
	}
	c, err := a.openManifest(arg)
	if err != nil {
		return "", err
	}
	return c.manifest.ConnectorKey, nil
}

func readLimited(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(raw)) > limit {
		clear(raw)
		return nil, errors.New("too large")
	}
	return raw, err
}

// credential returns the declared credential of that name or alias. The error
// does not repeat name: someone who has the order of the arguments wrong has
// given the secret there.
func (c *connector) credential(name string) (*manifests.Credential, error) {
	if cred, ok := c.manifest.Credential(name); ok {
		return cred, nil
	}
	if len(c.manifest.Credentials) == 0 {
		return nil, usage("connector %s declares no credentials", c.manifest.ConnectorKey)
	}
	names := make([]string, len(c.manifest.Credentials))
	for i, d := range c.manifest.Credentials {
		names[i] = d.Name
	}
	return nil, usage("connector %s declares no credential of the name given; it declares %s",
		c.manifest.ConnectorKey, strings.Join(names, ", "))
}

// CredentialNames lists what the connector that arg names declares, for
// completion; nothing when it cannot be read.
func (a *App) CredentialNames(arg string) []string {
	c, err := a.openManifest(arg)
	if err != nil {
		return nil
	}
	names := make([]string, len(c.manifest.Credentials))
	for i, d := range c.manifest.Credentials {
		names[i] = d.Name
	}
	return names
}

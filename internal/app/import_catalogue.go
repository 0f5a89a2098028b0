package app

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/inventory"
	"github.com/sallyport-host/sallyport/manifests"
)

// declaration is something that a connector is known to take: a credential,
// or a setting that is no secret.
type declaration struct {
	connector string
	name      string
	class     abi.Class
	identity  bool
	option    bool
	check     func([]byte) error // nil: anything
	sites     []string           // of a session: whose cookies it is made of
}

// slot is where a credential goes.
func (a *App) slotOf(d declaration) *slot {
	return &slot{address: a.scope(d.connector).Address(d.name), class: d.class, title: d.name, check: d.check}
}

// catalogue is what may be taken in, by the names that it has in an
// environment file.
type catalogue struct {
	only     []string // these connectors alone; all when empty
	byName   map[string][]declaration
	sessions []declaration
}

// environmentName is what an environment variable is called. A field's own
// name, such as "secret", is one connector's only where that is named.
var environmentName = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)

func (c *catalogue) add(d declaration, names ...string) {
	if len(c.only) > 0 && !slices.Contains(c.only, d.connector) {
		return
	}
	if d.class == abi.ClassSession && len(d.sites) > 0 {
		c.sessions = append(c.sessions, d)
	}
	for _, name := range append(names, d.name) {
		general := !environmentName.MatchString(name) || name == manifests.SessionName
		if general && len(c.only) != 1 {
			continue
		}
		same := func(other declaration) bool { return other.connector == d.connector && other.name == d.name }
		if !slices.ContainsFunc(c.byName[name], same) {
			c.byName[name] = append(c.byName[name], d)
		}
	}
}

// catalogue puts together what the manifests in dirs declare, those of the
// connectors used before, and what is known of upstream's.
func (a *App) catalogue(dirs, only []string) (*catalogue, error) {
	c := &catalogue{only: only, byName: map[string][]declaration{}}
	declared := map[string]*manifests.Manifest{}
	for _, dir := range dirs {
		if err := a.readManifests(dir, declared); err != nil {
			return nil, err
		}
	}
	for key := range a.known() {
		if m, err := a.openManifest(key); err == nil && declared[key] == nil {
			declared[key] = m.manifest
		}
	}
	for _, key := range only { // a folder will do as well
		if m, err := a.openManifest(key); err == nil && declared[m.manifest.ConnectorKey] == nil {
			declared[m.manifest.ConnectorKey] = m.manifest
		}
	}
	known, err := inventory.Read()
	if err != nil {
		return nil, internal("%w", err)
	}
	sites := map[string][]string{}
	for _, k := range known {
		sites[k.Key] = k.Sites
	}
	for _, key := range slices.Sorted(maps.Keys(declared)) {
		c.declared(declared[key], sites[key])
	}
	for _, k := range known {
		c.known(k, declared[k.Key])
	}
	return c, nil
}

// readManifests reads DIR/*.json and DIR/*/manifest.json, or one manifest.
func (a *App) readManifests(dir string, into map[string]*manifests.Manifest) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fileError("--manifests", dir, err)
	}
	files := []string{dir}
	if info.IsDir() {
		flat, err1 := fs.Glob(os.DirFS(dir), "*.json")
		nested, err2 := fs.Glob(os.DirFS(dir), "*/"+host.ManifestFile)
		if err := errors.Join(err1, err2); err != nil {
			return fileError("--manifests", dir, err)
		}
		files = nil
		for _, name := range append(flat, nested...) {
			files = append(files, filepath.Join(dir, filepath.FromSlash(name)))
		}
		if len(files) == 0 {
			return usage("--manifests %s holds no manifest", dir)
		}
	}
	for _, file := range files {
		raw, err := readLimited(file, manifests.MaxBytes)
		if err != nil {
			return fileError("--manifests", file, err)
		}
		m, err := manifests.Parse(raw)
		if err != nil {
			return refused("manifest %s: %w", file, err)
		}
		into[m.ConnectorKey] = m
	}
	return nil
}

// declared adds what a manifest declares.
func (c *catalogue) declared(m *manifests.Manifest, sites []string) {
	for i := range m.Credentials {
		cred := &m.Credentials[i]
		if cred.Class == abi.ClassOneTime {
			continue
		}
		d := declaration{connector: m.ConnectorKey, name: cred.Name, class: cred.Class, identity: cred.Identity, check: cred.ValidateValue}
		if cred.Class == abi.ClassSession {
			d.sites = sitesOf(cred)
			if cred.Name == manifests.SessionName && len(d.sites) == 0 {
				d.sites = sites
			}
		}
		c.add(d, cred.Aliases...)
	}
	for _, o := range m.Options.List() {
		c.add(declaration{connector: m.ConnectorKey, name: o.Name, option: true})
	}
}

// sitesOf are the hosts that a session goes to as cookies.
func sitesOf(cred *manifests.Credential) (sites []string) {
	for _, d := range cred.SendTo {
		if o, err := manifests.ParseOrigin(d.Origin); err == nil {
			sites = append(sites, strings.ToLower(o.Host))
		}
	}
	return sites
}

// known adds what upstream's connector has, under older names too. m is its
// manifest, nil where there is none at hand.
func (c *catalogue) known(k inventory.Connector, m *manifests.Manifest) {
	for _, cred := range k.Credentials {
		d := declaration{connector: k.Key, name: cred.Name, class: cred.Class, identity: cred.Identity}
		if cred.Name == manifests.SessionName {
			d.sites = k.Sites
		}
		names := append(slices.Clone(cred.Aliases), cred.Also...)
		if m != nil {
			own, ok := m.Credential(cred.Name)
			if !ok && !cred.Undeclared {
				continue // its manifest knows better
			}
			if ok {
				d.name, d.class, d.identity, d.check, d.sites = own.Name, own.Class, own.Identity, own.ValidateValue, nil
			}
		}
		c.add(d, names...)
	}
	for _, o := range k.Options {
		c.add(declaration{connector: k.Key, name: o.Name, option: true}, o.Aliases...)
	}
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/memory"
)

// installed is a connector in a host with all its checks and an audit log, and
// what its owner has stored and approved.
type installed struct {
	host      *host.Host
	connector *host.Connector
	approvals *host.MemoryApprovals
}

// install loads a connector and stores its secrets, by name.
func install(ctx context.Context, config host.Config, manifest string, module []byte, secrets map[string]string) (*installed, error) {
	vault, approvals := memory.New(), host.NewMemoryApprovals()
	h, err := host.New(ctx, config.WithVault(vault).WithApprovals(approvals))
	if err != nil {
		return nil, err
	}
	c, err := h.Load(ctx, host.Package{Manifest: []byte(manifest), Modules: map[abi.Role][]byte{abi.RoleCollector: module}})
	if err != nil {
		return nil, err
	}
	in := &installed{h, c, approvals}
	for name, value := range secrets {
		_, err := vault.Put(ctx, vaultstore.Entry{Address: in.scope().Address(name), Class: abi.ClassToken, Stages: map[vaultstore.Stage]vaultstore.Version{
			vaultstore.Current: {Value: vaultstore.NewSecret([]byte(value)), Provenance: vaultstore.UserEntered, Status: vaultstore.Active, ObtainedAt: time.Now()},
		}}, vaultstore.AnyGeneration)
		if err != nil {
			return nil, err
		}
	}
	return in, nil
}

func (in *installed) scope() capabilities.Scope {
	return capabilities.Scope{Owner: "owner", Connector: in.connector.Manifest().ConnectorKey, Instance: "default", Grant: "self"}
}

// approve puts an approval of all that the connector declares in force, with
// options.
func (in *installed) approve(options map[string]any) error {
	bound, err := in.connector.Manifest().Bind(options)
	if err != nil {
		return err
	}
	digests := map[abi.Role]string{abi.RoleCollector: in.connector.Modules()[abi.RoleCollector].SHA256}
	_, err = in.approvals.Approve(capabilities.NewApproval(bound, in.scope(), digests, capabilities.ModeLocal, time.Now()))
	return err
}

// run runs the connector. The error says how the run ended when it did not
// succeed.
func (in *installed) run(ctx context.Context, sink host.Sink) error {
	res, err := in.host.Run(ctx, in.connector, host.RunOptions{Unattended: true, Sink: sink})
	if err != nil {
		text, _ := json.Marshal(res)
		err = fmt.Errorf("%w: %s", err, text)
	}
	return err
}

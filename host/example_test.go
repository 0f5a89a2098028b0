package host_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/capabilities"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/internal/wasmtest"
	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/memory"
)

// notes is a connector; a real one comes from host.ReadPackage.
func notes() host.Package {
	const manifest = `{
	  "protocol_version": "0.1.0", "connector_id": "https://example.org/connectors/notes", "connector_key": "notes",
	  "version": "1.0.0", "display_name": "Notes", "runtime_requirements": {"bindings": {"network": {"required": true}}},
	  "streams": [{"name": "notes", "semantics": "append_only", "primary_key": ["id"],
	    "schema": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}}],
	  "credentials_schema": {"type": "object", "properties": {"NOTES_TOKEN": {"type": "string", "class": "long_lived_token",
	    "obtained_via": ["user"], "send_to": [{"origin": "https://notes.example", "paths": ["/api/**"], "as": "header:Authorization"}]}}},
	  "egress": [{"origin": "https://notes.example", "paths": ["/api/**"]}],
	  "modules": {"collector": {"path": "collector.wasm"}}
	}`
	m := wasmtest.New(1)
	emit := m.Import(abi.ModuleRun, "emit", []byte{i32, i32}, []byte{i64})
	p, n := m.Data(`{"type":"RECORD","stream":"notes","key":"n1","data":{"id":"n1"},"emitted_at":"2026-01-02T03:04:05Z"}` + "\n" +
		`{"type":"DONE","status":"succeeded","records_emitted":1}`)
	m.Func(abi.ExportABI, nil, []byte{i32}, nil, wasmtest.I32Const(abi.Version))
	m.Func(abi.ExportRun, nil, []byte{i32}, nil,
		wasmtest.I32Const(int32(p)), wasmtest.I32Const(int32(n)), wasmtest.Call(emit), wasmtest.Drop(), wasmtest.I32Const(0))
	return host.Package{Manifest: []byte(manifest), Modules: map[abi.Role][]byte{abi.RoleCollector: m.Bytes()}}
}

// A program that runs a connector for its owner: it keeps everything in
// memory here, and may put its own stores behind each interface.
func Example() {
	ctx := context.Background()
	vault, approvals := memory.New(), host.NewMemoryApprovals()
	h, err := host.New(ctx, host.NewConfig().WithVault(vault).WithApprovals(approvals))
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close(ctx)
	connector, err := h.Load(ctx, notes())
	if err != nil {
		log.Fatal(err)
	}

	// The owner hears what the connector would be given, and agrees.
	bound, err := connector.Manifest().Bind(nil)
	if err != nil {
		log.Fatal(err)
	}
	scope := capabilities.Scope{Owner: "ada", Connector: "notes", Instance: vaultstore.DefaultInstance, Grant: vaultstore.SelfGrant}
	modules := map[abi.Role]string{abi.RoleCollector: connector.Modules()[abi.RoleCollector].SHA256}
	if _, err := approvals.Approve(capabilities.NewApproval(bound, scope, modules, capabilities.ModeLocal, time.Now())); err != nil {
		log.Fatal(err)
	}

	// The owner's token goes to the vault, and from there to the source only.
	_, err = vault.Put(ctx, vaultstore.Entry{Address: scope.Address("NOTES_TOKEN"), Class: abi.ClassToken,
		Stages: map[vaultstore.Stage]vaultstore.Version{vaultstore.Current: {
			Value: vaultstore.NewSecret([]byte("s3cret")), Provenance: vaultstore.UserEntered, Status: vaultstore.Active, ObtainedAt: time.Now(),
		}}}, vaultstore.CreateOnly)
	if err != nil {
		log.Fatal(err)
	}

	result, err := h.Run(ctx, connector, host.RunOptions{Owner: "ada", Sink: host.NewJSONLSink(os.Stdout)})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Done.Status, result.Records)
	// Output:
	// {"type":"RECORD","stream":"notes","key":"n1","data":{"id":"n1"},"emitted_at":"2026-01-02T03:04:05Z"}
	// succeeded map[notes:1]
}

// What a module can do stands in its imports, before it is compiled or run.
func ExampleInspect() {
	info, err := host.Inspect(notes().Modules[abi.RoleCollector])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(info.Imports)
	// Output:
	// [sallyport:run/v1.emit]
}

// Without the owner's approval nothing runs, and the error says what would
// change that.
func ExampleHost_Run_refused() {
	ctx := context.Background()
	h, err := host.New(ctx, host.NewConfig())
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close(ctx)
	connector, err := h.Load(ctx, notes())
	if err != nil {
		log.Fatal(err)
	}
	_, err = h.Run(ctx, connector, host.RunOptions{})
	fmt.Println(err)
	// Output:
	// connector notes refused: the owner has not approved notes; run: sallyport grant approve notes
}

// A prompter of one's own answers for the owner, here from a script.
func ExampleScripted() {
	p := host.Scripted(map[string]string{"NOTES_TOKEN": "s3cret"})
	answer, err := p.Prompt(context.Background(), host.Prompt{Title: "Notes needs a credential"})
	fmt.Println(answer, err)
	// Output:
	// map[NOTES_TOKEN:[redacted]] <nil>
}

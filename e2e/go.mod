module github.com/sallyport-host/sallyport/e2e

go 1.26.8

require (
	github.com/emersion/go-sasl v0.0.0-20241020182733-b788ff22d5a6
	github.com/emersion/go-smtp v0.25.1
	github.com/emersion/go-vcard v0.0.0-20260618161152-d854b7e0e2d3
	github.com/emersion/go-webdav v0.6.0
	github.com/sallyport-host/sallyport v0.0.0
)

require (
	github.com/google/go-cmp v0.6.0 // indirect
	golang.org/x/time v0.16.0 // indirect
)

require (
	code.dny.dev/ssrf v0.3.0 // indirect
	github.com/santhosh-tekuri/jsonschema/v5 v5.3.1 // indirect
	github.com/tetratelabs/wazero v1.12.0 // indirect
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)

replace github.com/sallyport-host/sallyport => ../

replace github.com/sallyport-host/sallyport/guest-sdk/go => ../guest-sdk/go

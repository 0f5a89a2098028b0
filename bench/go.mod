module github.com/sallyport-host/sallyport/bench

go 1.26.8

require (
	github.com/sallyport-host/sallyport v0.0.0
	github.com/sallyport-host/sallyport/guest-sdk/go v0.0.0
	github.com/tetratelabs/wazero v1.12.0
)

require (
	code.dny.dev/ssrf v0.3.0 // indirect
	github.com/google/go-cmp v0.6.0 // indirect
	github.com/santhosh-tekuri/jsonschema/v5 v5.3.1 // indirect
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	golang.org/x/time v0.16.0 // indirect
)

replace github.com/sallyport-host/sallyport => ../

replace github.com/sallyport-host/sallyport/guest-sdk/go => ../guest-sdk/go

module github.com/sallyport-host/sallyport/bench

go 1.26.8

require (
	github.com/sallyport-host/sallyport v0.0.0
	github.com/tetratelabs/wazero v1.12.0
)

replace github.com/sallyport-host/sallyport => ../

module github.com/sallyport-host/sallyport/examples

go 1.26.8

require github.com/sallyport-host/sallyport/guest-sdk/go v0.0.0

replace github.com/sallyport-host/sallyport/guest-sdk/go => ../guest-sdk/go

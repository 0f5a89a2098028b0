module github.com/sallyport-host/sallyport/guest-sdk/go

go 1.26.8

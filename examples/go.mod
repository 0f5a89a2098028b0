module github.com/sallyport-host/sallyport/examples

go 1.26.8

require (
	github.com/emersion/go-imap/v2 v2.0.0-beta.8
	github.com/emersion/go-message v0.18.2
	github.com/emersion/go-sasl v0.0.0-20241020182733-b788ff22d5a6
	github.com/sallyport-host/sallyport/guest-sdk/go v0.0.0
)

require golang.org/x/text v0.14.0 // indirect

replace github.com/sallyport-host/sallyport/guest-sdk/go => ../guest-sdk/go

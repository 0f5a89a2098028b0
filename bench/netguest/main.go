// Command netguest is bench's guest that uses the network, through the SDK as
// a connector would. Its options say what it does; what each took is its one
// record.
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-host/sallyport/bench/internal/work"
	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
	"github.com/sallyport-host/sallyport/guest-sdk/go/stream"
)

func main() { sallyport.Main(collect) }

type options struct {
	Work  string `json:"work"` // get, download or fetch
	URL   string `json:"url"`
	Times int    `json:"times"`
	Live  int    `json:"live"` // how many credentials are in use
}

type took struct {
	ID          string          `json:"id"`
	Nanoseconds []time.Duration `json:"nanoseconds"`
	Bytes       int64           `json:"bytes"` // of all together
}

func collect(ctx context.Context, run *sallyport.Run) error {
	var o options
	if err := run.DecodeOptions(&o); err != nil {
		return err
	}
	var first sallyport.Surrogate
	for i := range o.Live {
		s, err := run.Credential(fmt.Sprintf("SECRET_%d", i))
		if err != nil {
			return err
		}
		if i == 0 {
			first = s
		}
	}
	var out took
	var err error
	switch o.Work {
	case "get":
		out, err = get(ctx, run, o, first)
	case "download":
		out, err = download(ctx, run, o, first)
	case "fetch":
		out, err = fetch(ctx, run, o, first)
	default:
		err = errors.New("no such work")
	}
	if err != nil {
		return err
	}
	out.ID = "1"
	return sallyport.NewStream(run, "took", func(t took) sallyport.Key { return sallyport.Key{t.ID} }).Emit(out)
}

func request(o options, token sallyport.Surrogate) *sallyport.Request {
	r := &sallyport.Request{URL: o.URL, Header: sallyport.Header{}}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+string(token))
	}
	return r
}

func get(ctx context.Context, run *sallyport.Run, o options, token sallyport.Surrogate) (out took, err error) {
	client := sallyport.NewClient(run)
	out.Nanoseconds, err = work.Timed(o.Times, func() error {
		res, err := client.Do(ctx, request(o, token))
		if err != nil {
			return err
		}
		body, err := res.Bytes(1 << 20)
		out.Bytes += int64(len(body))
		return errors.Join(err, res.Err())
	})
	return out, err
}

func download(ctx context.Context, run *sallyport.Run, o options, token sallyport.Surrogate) (out took, err error) {
	client := sallyport.NewClient(run)
	out.Nanoseconds, err = work.Once(o.Times, func() error {
		res, err := client.Do(ctx, request(o, token))
		if err != nil {
			return err
		}
		defer res.Body.Close()
		n, err := work.Drain(res.Body)
		out.Bytes += n
		return errors.Join(err, res.Err())
	})
	return out, err
}

func fetch(ctx context.Context, run *sallyport.Run, o options, token sallyport.Surrogate) (out took, err error) {
	conn, err := stream.Dial(ctx, run, o.URL)
	if err != nil {
		return out, err
	}
	defer conn.Close()
	mailbox, err := work.Login(conn, "owner@example.com", string(token))
	if err != nil {
		return out, err
	}
	out.Nanoseconds, err = work.Timed(o.Times, func() error {
		message, err := mailbox.Fetch()
		out.Bytes += int64(len(message))
		return err
	})
	return out, err
}

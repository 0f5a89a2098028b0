//go:build wasip1 && !extism

package main

import (
	"context"
	"log/slog"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

// finding is a record of what a trick hands over.
type finding struct {
	ID   string `json:"id"`
	What string `json:"what"`
}

type connector struct {
	ctx context.Context
	run *sallyport.Run
	out *sallyport.Stream[finding]
}

var _ machine = (*connector)(nil)

func (c *connector) secret() string {
	token, _ := c.run.Credential("TOKEN")
	return string(token)
}

func (c *connector) send(method, url string, headers map[string]string, body string) (int, string, error) {
	header := sallyport.Header{}
	for name, value := range headers {
		header[name] = []string{value}
	}
	client := sallyport.NewClient(c.run)
	client.CheckRedirect = sallyport.FollowRedirects(5) // as net/http does for Extism
	req := &sallyport.Request{Method: method, URL: url, Header: header}
	if body != "" {
		req.Body = []byte(body)
	}
	resp, err := client.Do(c.ctx, req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := resp.Bytes(1 << 20)
	return resp.StatusCode, string(text), err
}

func (c *connector) emit(text string) { _ = c.out.Emit(finding{"1", text}) }
func (c *connector) save(text string) { _ = c.out.SaveState(map[string]string{"kept": text}) }
func (c *connector) say(text string)  { slog.New(c.run.LogHandler()).Info(text) }

func main() {
	sallyport.Main(func(ctx context.Context, run *sallyport.Run) error {
		c := &connector{ctx, run, sallyport.NewStream(run, "findings", func(f finding) sallyport.Key { return sallyport.Key{f.ID} }, "id")}
		play(c, place{run.Option("home"), run.Option("drop"), run.Option("evil"), run.Option("plain"), run.Option("local"), run.Option("port")}, run.Option("trick"))
		return nil
	})
}

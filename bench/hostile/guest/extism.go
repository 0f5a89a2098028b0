//go:build wasip1 && extism

package main

import (
	"encoding/json"
	"errors"

	"github.com/extism/go-pdk"
)

type plugin struct{ out string }

var _ machine = (*plugin)(nil)

func (*plugin) secret() string { token, _ := pdk.GetConfig("TOKEN"); return token }

func (*plugin) send(method, url string, headers map[string]string, body string) (int, string, error) {
	req := pdk.NewHTTPRequest(methods[method], url)
	for name, value := range headers {
		req.SetHeader(name, value)
	}
	if body != "" {
		req.SetBody([]byte(body))
	}
	res := req.Send()
	if res.Status() == 0 {
		return 0, "", errors.New("no answer")
	}
	return int(res.Status()), string(res.Body()), nil
}

var methods = map[string]pdk.HTTPMethod{"GET": pdk.MethodGet, "POST": pdk.MethodPost, "DELETE": pdk.MethodDelete}

func (p *plugin) emit(text string) { p.out += text }
func (*plugin) save(text string)   { pdk.SetVar("kept", []byte(text)) }
func (*plugin) say(text string)    { pdk.Log(pdk.LogInfo, text) }

//go:wasmexport play
func entry() int32 {
	var in struct {
		Trick string
		At    place
	}
	if json.Unmarshal(pdk.Input(), &in) != nil {
		return 1
	}
	p := &plugin{}
	play(p, in.At, in.Trick)
	pdk.OutputString(p.out)
	return 0
}

func main() {}

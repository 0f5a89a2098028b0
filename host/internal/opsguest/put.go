//go:build wasip1 && put

package main

//go:wasmimport sallyport:credential-store/v1 put
func put(p, n, vp, vn, mp, mn uint32) int64

func store(name, token, meta string) int64 {
	p, n := in(name)
	vp, vn := in(token)
	mp, mn := in(meta)
	return put(p, n, vp, vn, mp, mn)
}

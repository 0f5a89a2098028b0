package capabilities

import (
	"slices"
	"strings"

	"github.com/sallyport-host/sallyport/manifests"
)

// destination is d as the matcher of package manifests takes it. A position
// that cannot be read matches nothing.
func (d *ApprovedDestination) destination() manifests.Destination {
	return manifests.Destination{Origin: d.Origin, Methods: d.Methods, Paths: d.Paths, As: position(d.As)}
}

func destinations(all []ApprovedDestination) []manifests.Destination {
	list := make([]manifests.Destination, len(all))
	for i := range all {
		list[i] = all[i].destination()
	}
	return list
}

// position reads what [positionText] wrote.
func position(as string) manifests.Position {
	kind, param, _ := strings.Cut(as, ":")
	return manifests.Position{Kind: manifests.PositionKind(kind), Param: param}
}

// positionText writes a position as a manifest does: "header:Authorization",
// "basic".
func positionText(p manifests.Position) string {
	if p.Param == "" {
		return string(p.Kind)
	}
	return string(p.Kind) + ":" + p.Param
}

// validPosition reports whether as is a kind that is known, with a parameter
// where it needs one and none where it does not.
func validPosition(as string) bool {
	p := position(as)
	switch p.Kind {
	case manifests.AsHeader, manifests.AsQuery, manifests.AsForm, manifests.AsJSON:
		return p.Param != "" && as == positionText(p)
	case manifests.AsCookie:
		return as == positionText(p)
	case manifests.AsBasic, manifests.AsPath, manifests.AsURL, manifests.AsIMAP, manifests.AsSMTP, manifests.AsBrowser:
		return as == string(p.Kind)
	}
	return false
}

// elsewhere says which part of the request no entry of send_to covers: it
// follows the entry that comes closest. A path is never repeated, as it may
// hold what must not be told.
func elsewhere(r *Request, who string, all []manifests.Destination) string {
	origin := r.Target.Origin.String()
	near := slices.DeleteFunc(slices.Clone(all), func(d manifests.Destination) bool {
		return !manifests.MatchOrigin(d.Origin, r.Target.Origin)
	})
	none := who + " no destination for " + r.Declared.Name
	if len(near) == 0 {
		return none + " at " + origin
	}
	near = slices.DeleteFunc(near, func(d manifests.Destination) bool { return d.As != r.Position })
	if len(near) == 0 {
		return none + " as " + positionText(r.Position) + " at " + origin
	}
	near = slices.DeleteFunc(near, func(d manifests.Destination) bool { return !manifests.MatchMethod(d.Methods, r.Target.Method) })
	if len(near) == 0 {
		return none + " with method " + methodName(r.Target.Method) + " at " + origin
	}
	return none + " with this path at " + origin
}

// methodName repeats a method only when it looks like one.
func methodName(m string) string {
	if len(m) == 0 || len(m) > 20 || strings.ContainsFunc(m, func(c rune) bool { return c < 'A' || c > 'Z' }) {
		return "(unusual)"
	}
	return m
}

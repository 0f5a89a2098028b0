package capabilities

import (
	"slices"
	"strings"

	"github.com/sallyport-host/sallyport/manifests"
)

// destination is d as the matcher of package manifests takes it; ok is false
// for a position that cannot be read, which matches nothing.
func (d *ApprovedDestination) destination() (out manifests.Destination, ok bool) {
	as, err := manifests.ParsePosition(d.As)
	return manifests.Destination{Origin: d.Origin, Methods: d.Methods, Paths: d.Paths, As: as}, err == nil
}

func destinations(all []ApprovedDestination) []manifests.Destination {
	list := make([]manifests.Destination, 0, len(all))
	for i := range all {
		if d, ok := all[i].destination(); ok {
			list = append(list, d)
		}
	}
	return list
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
		return none + " as " + r.Position.String() + " at " + origin
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

package main

import (
	"context"
	"maps"
	"net/url"
	"strconv"
	"time"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"

	"github.com/sallyport-host/sallyport/examples/internal/rest"
)

// knowledge is the STATE of the streams within budgets: of each budget, the
// server_knowledge up to which it was collected.
type knowledge struct {
	Budgets map[string]int64 `json:"budgets"`
}

// kind is a kind of thing in budgets, R its record.
type kind[R any] struct {
	stream string
	path   string // below the budget
	keep   []string
	id     func(R) string
	gone   func(R) bool
	items  func(budget string, d data) []R // an answer's records
	// day is the consent time, a date; nil where there is none.
	day func(R) string
}

// deltas collects what has changed of a kind in each budget since the last
// run; in a budget that is new, everything.
func deltas[R any](ctx context.Context, run *sallyport.Run, api *rest.Client, budgets []string, k kind[R]) error {
	stream := sallyport.NewStream(run, k.stream, func(r R) sallyport.Key { return sallyport.Key{k.id(r)} }, k.keep...)
	if !stream.Wanted() {
		return nil
	}
	before, _, err := sallyport.LoadState[knowledge](run, k.stream)
	if err != nil {
		return err
	}
	after := knowledge{Budgets: map[string]int64{}}
	for _, id := range budgets {
		since, known := before.Budgets[id]
		var answer struct {
			Data data `json:"data"`
		}
		if _, err := api.Get(ctx, k.address(id, since), &answer); err != nil {
			return err
		}
		for _, record := range k.items(id, answer.Data) {
			if err := k.take(stream, record, known); err != nil {
				return err
			}
		}
		after.Budgets[id] = answer.Data.Knowledge
	}
	if maps.Equal(before.Budgets, after.Budgets) {
		return nil
	}
	if err := k.forget(run, before, after); err != nil {
		return err
	}
	return stream.SaveState(after)
}

func (k kind[R]) address(budget string, since int64) string {
	address := "/v1/budgets/" + url.PathEscape(budget) + "/" + k.path
	if since > 0 {
		address += "?last_knowledge_of_server=" + strconv.FormatInt(since, 10)
	}
	return address
}

// take emits a record, or deletes it. What was deleted before the first run was
// never collected.
func (k kind[R]) take(stream *sallyport.Stream[R], record R, known bool) error {
	switch {
	case k.gone(record) && known:
		return stream.Delete(k.id(record))
	case k.gone(record):
		return nil
	}
	if k.day != nil {
		if at, err := time.Parse(time.DateOnly, k.day(record)); err == nil && !stream.Scope().WantsTime(at) {
			return nil
		}
	}
	return stream.Emit(record)
}

// forget tells of budgets that are gone: what was in them is not known any
// more.
func (k kind[R]) forget(run *sallyport.Run, before, after knowledge) error {
	gone := maps.Clone(before.Budgets)
	maps.DeleteFunc(gone, func(id string, _ int64) bool { _, ok := after.Budgets[id]; return ok })
	if len(gone) == 0 {
		return nil
	}
	return run.Skip(sallyport.Skip{Stream: k.stream, Reason: rest.ReasonDeletionsUnknown,
		Message: "a budget is gone, and YNAB does not say what was in it: its " + k.stream + " are not reported as deleted"})
}

package e2e_test

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const ynabAPI = "api.ynab.com"

// ynabServer is YNAB's API as documented, for one user: each item has the
// server_knowledge of its last change, and a delta holds those after one.
type ynabServer struct {
	mu      sync.Mutex
	token   string
	budgets []object
	// items of a budget, by the list's name; of categories their groups.
	items     map[string]map[string][]ynabItem
	knowledge int64
	limited   bool
	since     []string // the deltas that were asked for
}

type ynabItem struct {
	changed int64
	object
}

func newYNAB() *ynabServer {
	y := &ynabServer{
		budgets: []object{
			{"id": "b-home", "name": "Home", "last_modified_on": "2026-01-02T03:04:05Z", "first_month": "2025-01-01", "last_month": "2026-01-01",
				"date_format": object{"format": "DD/MM/YYYY"}, "currency_format": object{"iso_code": "EUR", "decimal_digits": 2, "symbol_first": false}},
		},
		items: map[string]map[string][]ynabItem{},
	}
	y.put("b-home", "accounts", object{"id": "a-1", "name": "Purse", "type": "cash", "on_budget": true, "balance": 12340, "cleared_balance": 12340, "uncleared_balance": 0, "deleted": false})
	y.put("b-home", "categories", object{"id": "c-1", "category_group_id": "g-1", "name": "Books", "budgeted": 50000, "activity": -19990, "balance": 30010, "deleted": false})
	y.put("b-home", "payees", object{"id": "p-1", "name": "Bookshop", "deleted": false}, object{"id": "p-2", "name": "Nobody", "deleted": true})
	y.put("b-home", "transactions",
		object{"id": "t-1", "account_id": "a-1", "date": "2026-01-02", "amount": -19990, "cleared": "cleared", "approved": true, "deleted": false, "subtransactions": []object{}},
		object{"id": "t-2", "account_id": "a-1", "date": "2026-01-03", "amount": -5000, "cleared": "uncleared", "approved": true, "deleted": false,
			"subtransactions": []object{{"id": "s-1", "amount": -3000, "deleted": false}, {"id": "s-2", "amount": -2000, "deleted": false}, {"id": "s-3", "amount": 0, "deleted": true}}})
	return y
}

// put makes or changes items.
func (y *ynabServer) put(budget, list string, items ...object) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.items[budget] == nil {
		y.items[budget] = map[string][]ynabItem{}
	}
	for _, item := range items {
		y.knowledge++
		y.items[budget][list] = append(y.items[budget][list], ynabItem{y.knowledge, item})
	}
}

// change changes the server between runs.
func (y *ynabServer) change(f func()) {
	y.mu.Lock()
	defer y.mu.Unlock()
	f()
}

func (y *ynabServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	y.mu.Lock()
	defer y.mu.Unlock()
	fail := func(status int, name string) {
		answer(w, status, object{"error": object{"id": strconv.Itoa(status), "name": name, "detail": name}})
	}
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/v1/"), "/")
	switch {
	case r.Header.Get("Authorization") != "Bearer "+y.token || r.Host != ynabAPI:
		fail(http.StatusUnauthorized, "unauthorized")
	case y.limited:
		w.Header().Set("X-Rate-Limit", "200/200")
		w.Header().Set("Retry-After", "1800")
		fail(http.StatusTooManyRequests, "too_many_requests")
	case r.URL.Path == "/v1/user":
		answer(w, http.StatusOK, object{"data": object{"user": object{"id": "u-ada"}}})
	case r.URL.Path == "/v1/budgets":
		answer(w, http.StatusOK, object{"data": object{"budgets": y.budgets, "default_budget": nil}})
	case len(parts) == 3 && y.items[parts[1]] != nil:
		y.delta(w, r, parts[1], parts[2])
	default:
		fail(http.StatusNotFound, "resource_not_found")
	}
}

func (y *ynabServer) delta(w http.ResponseWriter, r *http.Request, budget, list string) {
	text := r.URL.Query().Get("last_knowledge_of_server")
	if text != "" {
		y.since = append(y.since, list+" "+text)
	}
	since, _ := strconv.ParseInt(text, 10, 64)
	newest := map[string]int{} // id to the place in found
	found := []object{}
	for _, item := range y.items[budget][list] {
		if item.changed <= since {
			continue
		}
		id := item.object["id"].(string)
		if at, ok := newest[id]; ok {
			found[at] = item.object
			continue
		}
		newest[id] = len(found)
		found = append(found, item.object)
	}
	data := object{list: found, "server_knowledge": y.knowledge}
	if list == "categories" {
		data = object{"category_groups": []object{{"id": "g-1", "name": "Joy", "deleted": false, "categories": found}}, "server_knowledge": y.knowledge}
	}
	answer(w, http.StatusOK, object{"data": data})
}

// ynabOf is the connector beside a server, with the token stored.
func ynabOf(t *testing.T) (*source443, *ynabServer) {
	t.Helper()
	api := newYNAB()
	s := newSource(t, "ynab", nil, standIn(t, api, ynabAPI), ynabAPI)
	api.change(func() { api.token = s.secret("the token") })
	s.put(s.connector, ynabToken, api.token)
	return s, api
}

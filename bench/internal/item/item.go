// Package item is the record that the bench collects, on both sides.
//
// # Promise
//
// The same number gives the same item.
package item

import (
	"fmt"
	"strconv"
	"strings"
)

// Item is like an issue of a tracker: some 400 bytes of JSON.
type Item struct {
	ID        string   `json:"id"`
	Number    int      `json:"number"`
	Title     string   `json:"title"`
	Body      string   `json:"body"`
	State     string   `json:"state"`
	Labels    []string `json:"labels"`
	Author    Author   `json:"author"`
	Comments  int      `json:"comments"`
	Locked    bool     `json:"locked"`
	UpdatedAt string   `json:"updated_at"`
}

// Author is who wrote an item.
type Author struct {
	Login string  `json:"login"`
	Name  *string `json:"name"`
}

// Schema is the JSON Schema of an item.
const Schema = `{"type": "object", "required": ["id", "number", "title", "state"], "additionalProperties": false, "properties": {
  "id": {"type": "string", "minLength": 1}, "number": {"type": "integer", "minimum": 0}, "title": {"type": "string", "maxLength": 256}, "body": {"type": ["string", "null"]},
  "state": {"type": "string", "enum": ["open", "closed"]}, "labels": {"type": "array", "items": {"type": "string"}},
  "author": {"type": "object", "required": ["login"], "properties": {"login": {"type": "string"}, "name": {"type": ["string", "null"]}}},
  "comments": {"type": "integer", "minimum": 0}, "locked": {"type": "boolean"}, "updated_at": {"type": "string", "format": "date-time"}}}`

// New returns the item of a number.
func New(n int) Item {
	state := "open"
	if n%3 == 0 {
		state = "closed"
	}
	return Item{
		ID: "issue-" + strconv.Itoa(n), Number: n, Title: fmt.Sprintf("Lines of report %d are out of order", n), State: state,
		Body:   strings.Repeat("It happens when two of them come at once. ", 4),
		Labels: []string{"bug", "triage"}, Author: Author{Login: fmt.Sprintf("user%d", n%100)}, Comments: n % 7,
		UpdatedAt: fmt.Sprintf("2026-05-%02dT10:00:%02dZ", 1+n%28, n%60),
	}
}

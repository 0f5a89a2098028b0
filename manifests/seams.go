package manifests

// Disclosure is what a grant hands over, in plain words.
type Disclosure struct {
	Connector   string           `json:"connector"`
	Version     string           `json:"version"`
	Summary     string           `json:"summary"` // one sentence
	Credentials []DisclosureItem `json:"credentials"`
	Streams     []string         `json:"streams"`
	Options     map[string]any   `json:"options"`
	Reaches     []string         `json:"reaches"`      // every origin the guest may call, with methods
	HostCalls   []string         `json:"host_calls"`   // every origin the host itself would call
	CannotReach string           `json:"cannot_reach"` // one sentence
}

// DisclosureItem says what happens with one credential.
type DisclosureItem struct {
	Name   string   `json:"name"`
	Title  string   `json:"title"`
	Class  string   `json:"class"`
	Access []string `json:"access"`
	Text   string   `json:"text"`
	SentTo []string `json:"sent_to"`
}

// Disclose words what approving b would hand over.
func (b *Bound) Disclose() Disclosure { return Disclosure{} }

// Text renders the disclosure for a terminal.
func (d Disclosure) Text() string { return "" }

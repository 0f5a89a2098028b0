package host

import (
	"context"
	"fmt"
	"sync"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// PrompterFunc is a [Prompter] in a function.
type PrompterFunc func(ctx context.Context, p Prompt) (Answer, error)

// Prompt implements [Prompter].
func (f PrompterFunc) Prompt(ctx context.Context, p Prompt) (Answer, error) { return f(ctx, p) }

// Nobody returns a prompter for where nobody is: it answers [ErrUnattended].
func Nobody() Prompter {
	return PrompterFunc(func(context.Context, Prompt) (Answer, error) { return nil, ErrUnattended })
}

// Scripted returns a prompter that gives the answers in turn, and
// [ErrUnattended] when they are used up. It keeps what it was asked.
func Scripted(answers ...map[string]string) *ScriptedPrompter {
	return &ScriptedPrompter{answers: answers}
}

// ScriptedPrompter answers from a script. It is safe for concurrent use.
type ScriptedPrompter struct {
	mu      sync.Mutex
	answers []map[string]string
	asked   []Prompt
}

var (
	_ Prompter = PrompterFunc(nil)
	_ Prompter = (*ScriptedPrompter)(nil)
)

// Prompt implements [Prompter].
func (s *ScriptedPrompter) Prompt(_ context.Context, p Prompt) (Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, p)
	if len(s.answers) == 0 {
		return nil, fmt.Errorf("the script has no answer left: %w", ErrUnattended)
	}
	a := Answer{}
	for name, value := range s.answers[0] {
		a[name] = vaultstore.NewSecret([]byte(value))
	}
	s.answers = s.answers[1:]
	return a, nil
}

// Asked returns the prompts so far.
func (s *ScriptedPrompter) Asked() []Prompt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Prompt(nil), s.asked...)
}

package main

import (
	"bytes"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sallyport-host/sallyport/internal/app"
)

// helpDocument is the help of a command as --json prints it.
type helpDocument struct {
	Command  string        `json:"command"`
	Short    string        `json:"short"`
	Usage    string        `json:"usage"`
	Commands []helpCommand `json:"commands,omitempty"`
	Flags    []helpFlag    `json:"flags"`
	Codes    []helpCode    `json:"exit_codes"`
}

type helpCommand struct {
	Name  string `json:"name"`
	Short string `json:"short"`
}

type helpFlag struct {
	Name      string `json:"name"`
	Shorthand string `json:"shorthand,omitempty"`
	Value     string `json:"value,omitempty"` // what it takes, absent for a switch
	Usage     string `json:"usage"`
}

type helpCode struct {
	Code    app.Code `json:"code"`
	Name    string   `json:"name"`
	Meaning string   `json:"meaning"`
}

func helpOf(cmd *cobra.Command) helpDocument {
	doc := helpDocument{Command: cmd.CommandPath(), Short: cmd.Short, Usage: cmd.UseLine(), Flags: []helpFlag{}}
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			doc.Commands = append(doc.Commands, helpCommand{sub.Name(), sub.Short})
		}
	}
	add := func(f *pflag.Flag) {
		value, usage := pflag.UnquoteUsage(f)
		doc.Flags = append(doc.Flags, helpFlag{f.Name, f.Shorthand, value, usage})
	}
	cmd.NonInheritedFlags().VisitAll(add)
	cmd.InheritedFlags().VisitAll(add)
	for _, c := range app.Codes() {
		doc.Codes = append(doc.Codes, helpCode{c.Code, c.Code.String(), c.Text})
	}
	return doc
}

// help makes the help of root and all its commands heed --json.
func (c *cli) help(root *cobra.Command) {
	text := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		if !c.json {
			text(cmd, args)
			return
		}
		_ = app.PrintJSON(c.stdout, helpOf(cmd)) // cobra's own help has nowhere to say it either
	})
}

// completionScript is a script for a shell.
type completionScript struct {
	Shell  string `json:"shell"`
	Script string `json:"script"`
}

// Text writes the script.
func (s completionScript) Text(w io.Writer) error {
	_, err := io.WriteString(w, s.Script)
	return err
}

// Then is empty: the script may be on its way into a shell.
func (completionScript) Then() string { return "" }

var _ app.Result = completionScript{}

// completion stands for cobra's own, which does not know of --json.
func (c *cli) completion() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "completion",
		Short: "Print a completion script for a shell",
		Args:  cobra.ArbitraryArgs,
		RunE:  group,
	}
	for _, shell := range []struct {
		name, load string
		write      func(root *cobra.Command, w io.Writer) error
	}{
		{"bash", "  source <(sallyport completion bash)", func(r *cobra.Command, w io.Writer) error { return r.GenBashCompletionV2(w, true) }},
		{"fish", "  sallyport completion fish | source", func(r *cobra.Command, w io.Writer) error { return r.GenFishCompletion(w, true) }},
		{"powershell", "  sallyport completion powershell | Out-String | Invoke-Expression", (*cobra.Command).GenPowerShellCompletionWithDesc},
		{"zsh", "  source <(sallyport completion zsh)", (*cobra.Command).GenZshCompletion},
	} {
		cmd.AddCommand(&cobra.Command{
			Use:   shell.name,
			Short: "Print the completion script for " + shell.name,
			Long:  "Print the completion script for " + shell.name + ". To load it into this shell, or, in the\nshell's startup file, into every new one:\n\n" + shell.load,
			Args:  exactly(),
			RunE: func(cmd *cobra.Command, _ []string) error {
				c.started = true
				var b bytes.Buffer
				if err := shell.write(cmd.Root(), &b); err != nil {
					return err
				}
				return c.print(completionScript{shell.name, b.String()}, nil)
			},
		})
	}
	return cmd
}

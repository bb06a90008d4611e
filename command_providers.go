package caddywebhooks

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/caddywebhooks/caddy-webhooks/verify"
)

func providersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "providers [<name>]",
		Short:             "Lists whose webhooks this Caddy can verify, and how each is set up",
		Example:           "  caddy webhooks providers\n  caddy webhooks providers stripe\n  caddy webhooks providers | grep -i mail",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeProvider,
	}
	asJSON := cmd.Flags().Bool("json", false, "Print JSON")
	cmd.SilenceUsage = true
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		out := newScreen(cmd.OutOrStdout())
		var views []providerView
		for _, p := range verify.Providers() {
			if len(args) == 0 || p.Name == args[0] {
				views = append(views, newProviderView(p))
			}
		}
		switch {
		case len(views) == 0:
			return unknownProvider(args[0])
		case *asJSON && len(args) == 1:
			return printJSON(out, views[0])
		case *asJSON:
			return printJSON(out, map[string][]providerView{"providers": views})
		case len(args) == 1:
			views[0].print(out)
		default:
			printProviders(out, views)
		}
		return nil
	}
	return cmd
}

// providerView is a row of the table of providers, for people.
type providerView struct {
	Name     string       `json:"name"`
	Title    string       `json:"title"`
	Category string       `json:"category"`
	Docs     string       `json:"docs"`
	Setup    string       `json:"setup"`
	Options  []optionView `json:"options,omitempty"`
	Notes    string       `json:"notes,omitempty"`
	Deadline string       `json:"deadline,omitempty"`
	Retries  string       `json:"retries,omitempty"`
	Evidence string       `json:"evidence"`
}

type optionView struct {
	Name     string `json:"name"`
	Doc      string `json:"doc"`
	Required bool   `json:"required"`
}

func newProviderView(p *verify.Provider) providerView {
	view := providerView{
		Name: p.Name, Title: p.Title, Category: p.Category, Docs: p.Docs, Setup: p.Setup,
		Notes: p.Notes, Retries: p.Retries, Evidence: string(p.Evidence),
	}
	if p.Deadline > 0 {
		view.Deadline = p.Deadline.String()
	}
	for _, s := range p.Settings {
		view.Options = append(view.Options, optionView{s.Name, s.Doc, s.Required})
	}
	return view
}

func printProviders(s screen, views []providerView) {
	t := table{columns: []column{{title: "NAME"}, {title: "PROVIDER", least: 12}, {title: "CATEGORY", least: 12}}}
	for _, v := range views {
		t.add(cell{v.Name, bold}, v.Title, v.Category)
	}
	t.print(s)
	fmt.Fprintf(s, "%s, and custom for any other scheme; caddy webhooks providers <name> says more\n", plural(len(views), "provider"))
}

// print shows one provider; long texts are wrapped, not cut.
func (v providerView) print(s screen) {
	fmt.Fprintln(s, s.paint(bold, v.Title)+" ("+v.Category+")")
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(s, "\n%s\n%s", s.paint(dim, name), wrap(text, s.width, "  "))
		}
	}
	line("setup", v.Setup)
	for _, o := range v.Options {
		need := "optional"
		if o.Required {
			need = "required"
		}
		line("option "+o.Name+", "+need, o.Doc)
	}
	line("notes", v.Notes)
	line("waits for an answer", v.Deadline)
	line("tries again", v.Retries)
	line("documented at", v.Docs)
	line("vouched for by", v.Evidence)
}

package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddywebhooks/caddy-webhooks/internal/catalog"
	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
	"github.com/caddywebhooks/caddy-webhooks/internal/wording"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

func providersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "providers [<name>]",
		Short:   "Lists whose webhooks this Caddy can verify, and how each is set up",
		Example: "  caddy webhooks providers\n  caddy webhooks providers stripe\n  caddy webhooks providers | grep -i mail",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("providers shows one at a time: %q is one more", clean(args[1]))
			}
			return nil
		},
		ValidArgsFunction: completeProvider,
	}
	asJSON := cmd.Flags().Bool("json", false, "Print JSON")
	cmd.SilenceUsage = true
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		out := newScreen(cmd.OutOrStdout())
		var all []catalog.Description
		for _, p := range verify.Providers() {
			if len(args) == 0 || p.Name == args[0] {
				all = append(all, catalog.Describe(p))
			}
		}
		switch {
		case len(all) == 0 && args[0] == verify.CustomName:
			return errors.New("provider custom signs as its `verify` block says: docs/configuration.md")
		case len(all) == 0:
			return grammar.UnknownProvider(args[0])
		case *asJSON && len(args) == 1:
			return printJSON(out, all[0])
		case *asJSON:
			return printJSON(out, map[string][]catalog.Description{"providers": all})
		case len(args) == 1:
			printProvider(out, all[0])
		default:
			printProviders(out, all)
		}
		return nil
	}
	return cmd
}

func printProviders(s screen, all []catalog.Description) {
	t := table{columns: []column{{title: "NAME"}, {title: "PROVIDER", least: 12}, {title: "CATEGORY", least: 12}}}
	for _, d := range all {
		t.add(cell{d.Name, bold}, d.Title, d.Category)
	}
	t.print(s)
	fmt.Fprintf(s, "%s, and custom for any other scheme. caddy webhooks providers <name> says more\n", wording.Plural(len(all), "provider"))
}

// printProvider shows one provider; long texts are wrapped, not cut.
func printProvider(s screen, d catalog.Description) {
	fmt.Fprintln(s, s.paint(bold, d.Title)+" ("+d.Category+")")
	section := func(name, text string) {
		if text != "" {
			fmt.Fprintf(s, "\n%s\n%s", s.paint(dim, name), wrap(text, s.width, "  "))
		}
	}
	plain := strings.NewReplacer("`", "")
	section("setup", d.Setup)
	for _, fact := range d.Facts() {
		section(plain.Replace(fact.Name), plain.Replace(fact.Text))
	}
	section("documented at", d.Docs)
	section("vouched for by", d.Evidence)
	fmt.Fprintf(s, "\n%s\n", s.paint(dim, "configuration"))
	for line := range strings.Lines(d.Caddyfile) {
		fmt.Fprint(s, "  "+line)
	}
}

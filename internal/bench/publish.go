package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// What -publish changes.
const (
	publishedPage = "docs/performance.md"
	publishedDir  = "docs/performance"

	// Between these lines of the page.
	beginResults = "<!-- results: make bench BENCHFLAGS=-publish writes from here -->"
	endResults   = "<!-- to here -->"
)

// strangersAllowed is how much of the CPUs other processes may have had in a
// trial that is published.
const strangersAllowed = .10

// publishable says why the results should not be published, or nothing.
func (r *results) publishable() error {
	switch c := r.Conditions; {
	case r.Rounds < 3:
		return fmt.Errorf("not published: %d rounds say too little", r.Rounds)
	case c.OnlyMemory:
		return errors.New("not published: the stores were not on a disk")
	case strings.HasSuffix(c.Revision, "-dirty"):
		return errors.New("not published: the files differ from revision " + c.Revision)
	case !c.OthersCPU.known() || c.OthersCPU > strangersAllowed:
		return fmt.Errorf("not published: other processes had up to %s of the CPUs; at most %s may be", shareText(c.OthersCPU), shareText(strangersAllowed))
	case r.Wrong != "":
		return errors.New("not published: the run failed: " + r.Wrong)
	case len(r.Missing) > 0:
		return fmt.Errorf("not published: not measured: %s", strings.Join(r.Missing, "; "))
	}
	return nil
}

// publish puts tables, plots and numbers into the documentation.
func (r *results) publish() error {
	if err := r.publishable(); err != nil {
		return err
	}
	page, err := os.ReadFile(publishedPage)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(page), beginResults)
	_, after, ok2 := strings.Cut(rest, endResults)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no place for the results: the lines %q and %q", publishedPage, beginResults, endResults)
	}
	if err := os.RemoveAll(publishedDir); err != nil { // plots of an earlier run
		return err
	}
	if err := os.MkdirAll(publishedDir, 0o755); err != nil {
		return err
	}
	if err := errors.Join(r.save(publishedDir), r.draw(publishedDir)); err != nil {
		return err
	}
	text := before + beginResults + "\n" + r.markdown() + "\n" + endResults + after
	return os.WriteFile(publishedPage, []byte(text), 0o644)
}

// markdown is what is put into the page.
func (r *results) markdown() string {
	var b strings.Builder
	b.WriteString("\n- " + strings.Join(r.conditionLines(), "\n- ") + "\n")
	for _, t := range r.report() {
		b.WriteString(t.markdown())
	}
	b.WriteString("\n### Plots\n")
	for _, name := range slices.Sorted(maps.Keys(r.plots())) {
		fmt.Fprintf(&b, "\n![%s](%s/%s)\n", strings.TrimSuffix(name, ".svg"), filepath.Base(publishedDir), name)
	}
	fmt.Fprintf(&b, "\nEvery trial: [results.json](%s/results.json).\n", filepath.Base(publishedDir))
	return b.String()
}

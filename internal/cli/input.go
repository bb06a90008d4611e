package cli

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// What commands that make or judge a webhook are given of it: its headers, its body, its URL, and the
// provider's options.

// parseHeaders reads flags of the form 'Name: value'. put says what becomes of a name that is given again: Set
// takes the last, Add takes all.
func parseHeaders(flags []string, put func(h http.Header, name, value string)) (http.Header, error) {
	headers := make(http.Header)
	for _, flag := range flags {
		name, value, ok := strings.Cut(flag, ":")
		if !ok {
			return nil, fmt.Errorf("header %q: want 'Name: value'", flag)
		}
		put(headers, strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return headers, nil
}

// readBody reads the file of that name, or standard input for -. Without a name it returns nil.
func readBody(name string) ([]byte, error) {
	switch name {
	case "":
		return nil, nil
	case "-":
		return io.ReadAll(os.Stdin)
	}
	return os.ReadFile(name)
}

// parseOptions reads flags of the form name=value.
func parseOptions(flags []string) (map[string][]string, error) {
	options := make(map[string][]string)
	for _, flag := range flags {
		name, value, ok := strings.Cut(flag, "=")
		if !ok {
			return nil, fmt.Errorf("option %q: want 'name=value'", flag)
		}
		options[name] = append(options[name], value)
	}
	return options, nil
}

// parseTarget reads a URL to send to, or that was called.
func parseTarget(text string) (*url.URL, error) {
	if !strings.Contains(text, "://") {
		return nil, fmt.Errorf("%q has no scheme: want a URL such as http://%s", text, strings.TrimLeft(text, "/"))
	}
	target, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	if target.Host == "" || target.Scheme != "http" && target.Scheme != "https" {
		return nil, fmt.Errorf("%q is not an http or https URL", text)
	}
	return target, nil
}

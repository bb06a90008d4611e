package cli

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// parseHeaders reads flags of the form 'Name: value'. put decides about a name that is
// given twice: Set keeps the last value, Add keeps all.
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

// parseTarget reads the URL of an endpoint, which must have a scheme.
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

package verify

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// filled repeats a pattern up to the size of a heavy body.
func filled(pattern string) string { return strings.Repeat(pattern, heavySize/len(pattern)) }

// heavyMembers are members of JSON that cost much, to be put into an object. Where they repeat
// themselves there are no commas yet.
func heavyMembers(size int) map[string]string {
	filled := func(pattern string) string { return strings.Repeat(pattern, size/len(pattern)) }
	return map[string]string{
		"list of zeros":        `"zz":[` + strings.TrimSuffix(filled(`0,`), ",") + `]`,
		"list of objects":      `"zz":[` + strings.TrimSuffix(filled(`{},`), ",") + `]`,
		"members":              strings.TrimSuffix(filled(`"a":0,`), ","),
		"long members":         `"` + filled(`abcdefgh`) + `":0`,
		"escaped members":      strings.TrimSuffix(filled(`"\u0061":0,`), ","),
		"accented members":     strings.TrimSuffix(filled(`"é":0,`), ","),
		"long accented member": `"` + filled(`é`) + `":0`,
		"invisible members":    strings.TrimSuffix(filled(`"`+strings.Repeat("\u00ad", 30)+`x":0,`), ","),
		"invisible member":     `"` + filled("\u00ad") + `":0`,
		"escaped NULs":         `"` + filled(`\u0000`) + `":0`,
		"escapes in a value":   `"zz":"` + filled(`\n`) + `"`,
		"controls in a value":  `"zz":"` + filled("\x01") + `"`,
		"half pairs":           `"zz":"` + filled(`\ud800`) + `"`,
		"nested":               `"zz":` + strings.Repeat("[", maxJSONDepth-1) + strings.Repeat("]", maxJSONDepth-1),
		"nested too deep":      `"zz":` + filled("["),
		"numbers":              `"zz":[` + strings.TrimSuffix(filled(`1e9,`), ",") + `]`,
		"nested lists":         `"zz":[` + strings.TrimSuffix(filled(`[[[0]]],`), ",") + `]`,
	}
}

// heavyFields are fields of a form that cost much.
var heavyFields = map[string]string{
	"dots": filled(".&"), "bad escapes": filled("%a&"), "escapes": filled("%41&"), "escapes of escapes": filled("%252541&"),
	"letters": filled("a&"), "values": filled("a=1&"), "semicolons": filled("a;"), "equals signs": filled("="), "amps": filled("&"),
	"long name": filled("a"), "long escaped name": filled("%C3%A9"), "NULs": filled("%00"), "wide escapes": filled("%u0041"),
	"brackets": filled("a[]&"), "pluses": filled("+"), "accents": filled("é&"), "invisible": filled("%C2%AD"), "spaces in a name": "a" + filled("%20"),
	"line breaks": filled("\r\n"), "breaks in names": filled(".;"), "long value": "zz=" + filled("%41"), "cuts": "a" + filled("."),
}

// heavyParts are multipart bodies that cost much.
var heavyParts = map[string]string{
	"parts":        filled("--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n") + "--b--",
	"empty parts":  filled("--b\r\n\r\n\r\n") + "--b--",
	"long headers": "--b\r\n" + filled("X: a\r\n") + "\r\n1\r\n--b--",
	"long name":    "--b\r\nContent-Disposition: form-data; name=\"" + filled("a") + "\"\r\n\r\n1\r\n--b--",
	"parameters":   "--b\r\nContent-Disposition: form-data; name=\"a\"\r\nContent-Type: text/plain" + filled("; a=b") + "\r\n\r\n1\r\n--b--",
	"same parts": strings.Repeat("--b\r\nContent-Disposition: form-data; name=\"timestamp\"\r\n\r\n"+strings.Repeat("1", 1000)+"\r\n", 900) +
		"--b--",
	"odd parts": strings.Repeat("--b\r\nContent-Disposition: form-data; name=a\\; filename=\""+strings.Repeat("é", 400)+"\"\r\n\r\n1\r\n", 900) + "--b--",
	"marks":     "--b\r\n" + filled("\n--"),
}

// strangersBodies are heavy by themselves. They are made once.
var strangersBodies = sync.OnceValue(func() map[string][]byte {
	bodies := map[string][]byte{
		"NULs": []byte(filled("\x00")), "bytes": []byte(filled("\xff\xfe")), "UTF-16": []byte(filled("\x00{")), "brackets": []byte(filled("[")),
		"braces": []byte(filled(`{"a":`)), "spaces": []byte(filled(" ")), "quotes": []byte(`{"a":` + filled(`"`)),
		"zstd": []byte("\x28\xb5\x2f\xfd\x00\x68" + filled("\x00")), "token of dots": []byte(filled(".")),
		"token of a signature": []byte("eyJhbGciOiJIUzI1NiJ9.e30." + filled("A")),
	}
	claims := strings.Builder{}
	for i := 0; claims.Len() < heavySize*3/4; i++ {
		fmt.Fprintf(&claims, `"%d":0,`, i)
	}
	encode := base64.RawURLEncoding.EncodeToString
	for _, alg := range []string{"HS256", "RS256", "ES256"} {
		head := encode([]byte(`{"alg":"` + alg + `","kid":"a"}`))
		signature := encode(make([]byte, map[string]int{"HS256": 32, "RS256": 256, "ES256": 64}[alg]))
		bodies["claims, "+alg] = []byte(head + "." + encode([]byte("{"+claims.String()+`"z":0}`)) + "." + signature)
		bodies["token's header, "+alg] = []byte(encode([]byte(`{"alg":"`+alg+`",`+claims.String()+`"z":0}`)) + ".e30." + signature)
	}
	for name, members := range heavyMembers(heavySize / 3) {
		bodies["form of JSON: "+name] = []byte("payload=" + url.QueryEscape("{"+members+"}"))
	}
	for name, members := range heavyMembers(heavySize) {
		bodies["JSON: "+name] = []byte("{" + members + "}")
	}
	for name, fields := range heavyFields {
		bodies["form: "+name] = []byte(fields)
	}
	for name, parts := range heavyParts {
		bodies["multipart: "+name] = []byte(parts)
	}
	return bodies
})

// heavyBodies are bodies for a webhook: what is heavy by itself, and together with what the webhook
// has, so that signatures inside of it are found.
func heavyBodies(t testing.TB, r *Request) map[string][]byte {
	bodies := maps.Clone(strangersBodies())
	bodies["gzip"] = gzipped(t, []byte(filled("\x00")))
	bodies["gzip of JSON"] = gzipped(t, []byte(`{"a":"`+filled("é")+`"}`))
	own := string(r.Body)
	switch kindOf(r.Body) {
	case kindJSON:
		inner, object := strings.CutSuffix(strings.TrimSpace(own), "}")
		if !object || !json.Valid(r.Body) {
			break
		}
		list := strings.LastIndex(inner, "]")
		for name, members := range heavyMembers(heavySize) {
			bodies["own and "+name] = []byte(inner + "," + members + "}")
			if list >= 0 {
				bodies["own list and "+name] = []byte(inner[:list] + ",{" + members + "}" + own[list:])
			}
		}
		if list >= 0 {
			bodies["own list and zeros"] = []byte(inner[:list] + "," + strings.TrimSuffix(filled("0,"), ",") + own[list:])
		}
	case kindForm:
		for name, fields := range heavyFields {
			bodies["own form and "+name] = []byte(own + "&" + fields)
			bodies["own form behind "+name] = []byte(fields + "&" + own)
		}
		for name, members := range heavyMembers(heavySize / 3) {
			bodies["own form of JSON: "+name] = []byte(strings.Replace(own, "%7D", url.QueryEscape(","+members+"}"), 1))
		}
	case kindMultipart:
		boundary := boundaryOf(r.Body)
		for name, parts := range heavyParts {
			ours := strings.ReplaceAll(parts, "--b", "--"+boundary)
			bodies["own multipart and "+name] = []byte(strings.TrimSuffix(strings.TrimSpace(own), "--"+boundary+"--") + ours)
		}
	}
	return bodies
}

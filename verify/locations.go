package verify

import "time"

func keySetAt(url string) *fetch { return &fetch{name: url, url: url, parse: parseJWKS} }

// jwksAt says that keys are in the JSON Web Key Set at an address.
func jwksAt(url string) keyLocation {
	location := keySetAt(url)
	return func(in *input, _ settings) (*fetch, string, *Error) { return location, in.keyID, nil }
}

// pemInJSON says that the one key is a member of the JSON at an address.
func pemInJSON(url, pointer string) keyLocation {
	parse := pemAt(pointer, "")
	location := &fetch{name: url, url: url, parse: func(text []byte, _ time.Time) (keySet, error) { return parse(text) }}
	return func(*input, settings) (*fetch, string, *Error) { return location, "", nil }
}

// locateKinde is the key set of the operator's own domain.
func locateKinde(in *input, set settings) (*fetch, string, *Error) {
	return keySetAt("https://" + set.one("domain", "") + "/.well-known/jwks.json"), in.keyID, nil
}

// fireblocksHosts publish the keys of each environment: "Validating webhooks (JWKS)" at
// https://developers.fireblocks.com/reference/validating-webhooks
var fireblocksHosts = map[string]string{"us": "keys", "eu": "eu-keys", "eu2": "eu2-keys", "sandbox": "sandbox-keys"}

func locateFireblocks(in *input, set settings) (*fetch, string, *Error) {
	host := fireblocksHosts[set.one("environment", "us")]
	return keySetAt("https://" + host + ".fireblocks.io/.well-known/jwks.json"), in.keyID, nil
}

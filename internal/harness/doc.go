// Package harness is what tests of a running Caddy share: a Caddy in this process, applications behind
// it, requests as providers send them, and raw connections.
//
// Caddy's state is global, so tests of one package take turns; packages run side by side. The package
// does not import the module's root, so that the root's own tests can use it: other packages of tests
// import the root for its effects, and call Main in their TestMain.
package harness

import _ "github.com/caddyserver/caddy/v2/modules/standard" // what a built Caddy has

// Package caddywebhooks is a Caddy HTTP handler that receives webhooks in front
// of an application: it verifies the provider's signature, drops duplicates,
// stores the event durably, answers the provider at once, and delivers the
// event to the application with retries and dead letters.
//
// This package is the adapter to Caddy and no more: the types of the configuration with their documentation, the
// grammar of the Caddyfile, and the lifecycle. It is read from Handler.ServeHTTP, which hands each webhook over.
//
//	provider ─► Handler.ServeHTTP
//	              │
//	            internal/intake      admit: verify/ limiter/ internal/inflight …; then store, or guard
//	              │                    dedupe/ makes the key, internal/envelope the headers
//	            forward.Dispatcher   Accept: one atomic write into a retrystore.Store, with a lease
//	              │                    retrystore/filestore, retrystore/redisstore
//	            provider ◄─ 2xx, once that write is durable
//	              │
//	            forward/             lanes: lease, attempt, backoff, breaker, dead letter
//	            internal/deliver     one attempt through Caddy's handlers
//	              │
//	            application
//
// Around it: internal/httpserver is what an endpoint needs of the server around it; internal/process is what outlives a
// config; internal/telemetry, traffic and lanes tell what happens; internal/adminapi, cli and doctor are what
// people operate it with. None of them knows this package.
package caddywebhooks

package caddywebhooks

import (
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddywebhooks/caddy-webhooks/internal/adminapi"
	"github.com/caddywebhooks/caddy-webhooks/internal/process"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

func init() {
	caddy.RegisterModule(adminAPI{})
}

// adminAPI lets people see and repair deliveries; see package adminapi.
type adminAPI struct{}

// CaddyModule returns the Caddy module information.
func (adminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.webhooks",
		New: func() caddy.Module { return new(adminAPI) },
	}
}

// Routes implements caddy.AdminRouter.
func (adminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: "/webhooks/", Handler: caddy.AdminHandlerFunc(serveAdmin)}}
}

func serveAdmin(w http.ResponseWriter, r *http.Request) error {
	err := adminapi.Serve(w, r, func() (*adminapi.Running, error) {
		app, err := runningApp()
		if err != nil {
			return nil, err
		}
		return app.running(), nil
	})
	if known, ok := errors.AsType[*adminapi.Error](err); ok {
		return caddy.APIError{HTTPStatus: known.Status, Err: known.Err, Message: known.Error()}
	}
	return err
}

// runningApp finds the app of the config that runs now: the admin router
// outlives configs, so nothing of an app may be kept between requests.
func runningApp() (*App, error) {
	value, err := caddy.ActiveContext().AppIfConfigured("webhooks")
	app, ok := value.(*App)
	if err != nil || !ok {
		return nil, &adminapi.Error{Status: http.StatusNotFound, Err: errors.New("the running config has no webhooks")}
	}
	select {
	case <-app.started:
		return app, nil
	default:
		return nil, &adminapi.Error{Status: http.StatusServiceUnavailable, Err: errNotStarted}
	}
}

// running is what the admin API shows and changes of the app.
func (a *App) running() *adminapi.Running {
	return &adminapi.Running{
		Store: a.store,
		Hold: func() (retrystore.Inspector, func(), error) {
			store, key, err := process.AcquireStore(a.opener, a.storeOptions())
			return store, func() { process.ReleaseStore(key, a.logger) }, err
		},
		Config:   a.config(),
		Hides:    a.hides,
		Diagnose: a.diagnose,
		Jobs:     &process.Jobs,
		Context:  a.ctx,
		Logger:   a.logger,
	}
}

// Interface guards
var (
	_ caddy.Module      = adminAPI{}
	_ caddy.AdminRouter = adminAPI{}
)

//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/oracle"
)

// The destinations. Each is an application of its own.
const (
	// destApp is the application that misbehaves as planned.
	destApp = "app"
	// destSteady always takes everything at once: faults of others must not delay it.
	destSteady = "steady"
	// destHeld fails until the end: its breaker holds its deliveries.
	destHeld = "held"
	// destMortal decides about each event for good: 410, 500 until the last attempt, or 200.
	destMortal = "mortal"
)

var destinations = []string{destApp, destSteady, destHeld, destMortal}

// The types of GitHub events, by which they are routed.
const (
	typeApp    = "issues"  // to app, steady
	typeHeld   = "release" // to held, steady
	typeMortal = "push"    // to mortal, steady
)

// mortalAttempts is max_attempts of mortal.
const mortalAttempts = 4

// goesTo says whether an event has to get to a destination.
func goesTo(e *oracle.Event, destination string) bool {
	if e.Scheme == oracle.Stripe {
		return destination == destApp
	}
	switch destination {
	case destSteady:
		return true
	case destApp:
		return e.Type == typeApp
	case destHeld:
		return e.Type == typeHeld
	}
	return e.Type == typeMortal
}

// always is how app misbehaves besides what is planned.
var always = []oracle.Manner{
	{Kind: oracle.Status, Status: http.StatusInternalServerError, Share: 0.04},
	{Kind: oracle.HangUp, Share: 0.02},
	{Kind: oracle.TakeAndHangUp, Share: 0.005},
}

var applicationKinds = []kind{
	{name: "answers", weight: 5, lasts: [2]int{400, 2500}},
	{name: "refuses connections", weight: 1, lasts: [2]int{300, 2000}, run: (*world).refuse},
}

// manners are what the application may answer while a step lasts.
var manners = []oracle.Manner{
	{Kind: oracle.Status, Status: http.StatusInternalServerError},
	{Kind: oracle.Status, Status: http.StatusServiceUnavailable},
	{Kind: oracle.Status, Status: http.StatusTooManyRequests, RetryAfter: "1"},
	{Kind: oracle.Status, Status: http.StatusGone, Share: 0.05},
	{Kind: oracle.Hang},
	{Kind: oracle.Reset},
	{Kind: oracle.HangUp},
	{Kind: oracle.TakeAndHangUp, Share: 0.3},
	{Kind: oracle.Garbage},
	{Kind: oracle.Half},
	{Kind: oracle.Half, Status: http.StatusInternalServerError},
	{Kind: oracle.Huge, Share: 0.2},
	{Kind: oracle.Endless, Share: 0.2},
	{Kind: oracle.Endless, Status: http.StatusInternalServerError, Share: 0.2},
	{Kind: oracle.Trickle, Share: 0.3},
	{Kind: oracle.Early},
	{Kind: oracle.Take, Delay: 40 * time.Millisecond},
	{Kind: oracle.Take, Delay: 250 * time.Millisecond},
}

func drawManner(random *rand.Rand) oracle.Manner {
	m := manners[random.IntN(len(manners))]
	if m.Share == 0 && random.IntN(2) == 0 {
		m.Share = 0.2 + 0.1*float64(random.IntN(7))
	}
	return m
}

// behave has app answer as planned, and then as always.
func (w *world) behave(s Step) error {
	w.apps[destApp].Behave(append([]oracle.Manner{*s.Manner}, always...)...)
	w.wait(s.For)
	w.apps[destApp].Behave(always...)
	w.apps[destApp].StopHanging()
	return nil
}

// refuse closes the application's port. What it had answered a moment before may
// not have been heard.
func (w *world) refuse(s Step) error {
	return w.during(fault{name: "application closed", before: 150 * time.Millisecond, after: 100 * time.Millisecond, destination: destApp}, func() error {
		w.apps[destApp].Down()
		w.wait(s.For)
		return w.apps[destApp].Up()
	})
}

// fate decides about an event of mortal: the same in every attempt.
func fate(seed uint64) func(eventID string) (oracle.Manner, bool) {
	return func(eventID string) (oracle.Manner, bool) {
		switch fateOf(seed, eventID) {
		case fateGone:
			return oracle.Manner{Kind: oracle.Status, Status: http.StatusGone}, true
		case fateFail:
			return oracle.Manner{Kind: oracle.Status, Status: http.StatusInternalServerError}, true
		}
		return oracle.Manner{}, true
	}
}

// Fates of events at mortal.
const (
	fateTake = iota
	fateGone
	fateFail
)

func fateOf(seed uint64, eventID string) int {
	random := rand.New(rand.NewPCG(seed, fnvOf(eventID)))
	switch dice := random.IntN(10); {
	case dice < 2:
		return fateGone
	case dice < 4:
		return fateFail
	}
	return fateTake
}

// startApplications begins with mortal's fates and a held that is out of order.
func (w *world) startApplications() error {
	w.apps = make(map[string]*oracle.Application)
	for _, name := range destinations {
		app, err := oracle.StartApplication(w.books, name, w.plan.Seed)
		if err != nil {
			return err
		}
		w.apps[name] = app
		w.cleanup(app.Down)
	}
	w.apps[destApp].Behave(always...)
	w.apps[destMortal].Fate(fate(w.plan.Seed))
	w.apps[destHeld].Behave(oracle.Manner{Kind: oracle.Status, Status: http.StatusInternalServerError})
	return nil
}

// heal has all applications take everything.
func (w *world) heal() error {
	for _, app := range w.apps {
		app.Behave()
		app.Fate(nil)
		app.StopHanging()
		if err := app.Up(); err != nil {
			return fmt.Errorf("healing: %w", err)
		}
	}
	return nil
}

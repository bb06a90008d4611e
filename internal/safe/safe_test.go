package safe

import (
	"errors"
	"io"
	"log"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// unprintable is a value of a panic that panics again when it is printed.
type unprintable struct{}

func (unprintable) Format() {}
func (unprintable) Error() string {
	panic("no text")
}

func TestPanicIsLoggedCountedAndReturned(t *testing.T) {
	core, lines := observer.New(zapcore.ErrorLevel)
	err := Do(zap.New(core), "test: do", func() { panic("boom") })
	var p *PanicError
	if !errors.As(err, &p) || p.Value != "boom" || p.Place != "test: do" {
		t.Fatalf("got %v", err)
	}
	if Panics()["test: do"] != 1 {
		t.Errorf("counted %d panics", Panics()["test: do"])
	}
	all := lines.All()
	if len(all) != 1 || all[0].ContextMap()["stack"] == "" || all[0].ContextMap()["error"] != "boom" {
		t.Errorf("logged %v", all)
	}
}

func TestEveryWayToStartSurvives(t *testing.T) {
	log.SetOutput(io.Discard)
	defer log.SetOutput(log.Writer())
	ended := make(chan struct{}, 4)
	bad := func() {
		defer func() { ended <- struct{}{} }()
		panic(unprintable{})
	}
	var g Group
	Go(nil, "test: go", bad)
	g.Go(zap.NewNop(), "test: group", bad)
	AfterFunc(time.Nanosecond, nil, "test: timer", bad)
	g.Wait()
	for range 3 {
		<-ended
	}
	for _, place := range []string{"test: go", "test: group", "test: timer"} {
		for Panics()[place] == 0 { // it is counted after the deferred functions ran
			time.Sleep(time.Millisecond)
		}
	}
}

func TestLoopRunsAgainAfterPanics(t *testing.T) {
	runs := 0
	Loop(nil, zap.NewNop(), "test: loop", func() {
		if runs++; runs < 3 {
			panic(runs)
		}
	})
	if runs != 3 {
		t.Errorf("ran %d times, want 3", runs)
	}
}

func TestLoopEndsWhenStopped(t *testing.T) {
	stop := make(chan struct{})
	runs := 0
	Loop(stop, zap.NewNop(), "test: stopped", func() {
		if runs++; runs == 2 {
			close(stop)
		}
		panic("again")
	})
	if runs != 2 {
		t.Errorf("ran %d times, want 2", runs)
	}
}

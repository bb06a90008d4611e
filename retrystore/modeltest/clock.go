package modeltest

import (
	_ "embed"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

//go:embed testdata/clock.c
var clockSource []byte

// ServerClocks makes clocks of other programs that tests can move, such as that
// of a server by whose time a store goes. It needs Linux and a C compiler, and
// works with programs that are linked dynamically.
type ServerClocks struct{ library string }

// NewServerClocks compiles what the programs will have to load.
func NewServerClocks(t testing.TB) *ServerClocks {
	t.Helper()
	dir := t.TempDir()
	c := &ServerClocks{library: filepath.Join(dir, "clock.so")}
	source := filepath.Join(dir, "clock.c")
	if err := os.WriteFile(source, clockSource, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cc", "-shared", "-fPIC", "-O2", "-o", c.library, source, "-ldl").CombinedOutput(); err != nil {
		t.Fatalf("compiling a clock that can be moved (it takes a C compiler, as the race detector does): %v\n%s", err, out)
	}
	return c
}

// ServerClock is the wall clock of one program.
type ServerClock struct {
	t     testing.TB
	file  *os.File
	moved time.Duration
}

// Start calls start, in which a program is started, with an environment that puts
// its clock under our control. Nothing else may start programs meanwhile.
func (c *ServerClocks) Start(t testing.TB, start func()) *ServerClock {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "moved"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	clock := &ServerClock{t: t, file: file}
	clock.Advance(0)
	for name, value := range map[string]string{"LD_PRELOAD": c.library, "MODELTEST_CLOCK": file.Name()} {
		if before, was := os.LookupEnv(name); was {
			defer os.Setenv(name, before)
		} else {
			defer os.Unsetenv(name)
		}
		os.Setenv(name, value)
	}
	start()
	return clock
}

// Advance moves the clock forward. It is for one goroutine at a time.
func (c *ServerClock) Advance(d time.Duration) {
	c.moved += d
	if _, err := c.file.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(c.moved)), 0); err != nil {
		c.t.Error(err)
	}
}

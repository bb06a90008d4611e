package main

import (
	"os"
	"testing"
)

// TestMain lets the test binary be the processes that the program starts of itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == sinkCommand || os.Args[1] == reapCommand) {
		if err := command(os.Args[1:]); err != nil {
			panic(err)
		}
		return
	}
	os.Exit(m.Run())
}

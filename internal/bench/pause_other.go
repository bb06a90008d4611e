//go:build !linux

package main

import "time"

// pause sleeps. It may take a millisecond longer than asked.
func pause(d time.Duration) { time.Sleep(d) }

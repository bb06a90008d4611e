//go:build !linux

package filestore

import "os"

// allocate does nothing: a full disk is found out by the commit that needs it.
func allocate(*os.File, int64, int64) error { return nil }

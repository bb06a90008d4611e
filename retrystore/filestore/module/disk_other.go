//go:build !linux && !darwin && !freebsd

package module

import "errors"

// diskSpace cannot tell on this system.
func diskSpace(string) (free, total uint64, err error) { return 0, 0, errors.ErrUnsupported }
